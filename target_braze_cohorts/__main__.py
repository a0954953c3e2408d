"""Run the command `target-braze-cohorts`, also as `python -m target_braze_cohorts`."""

from braze_mixpanel.memory import reuse_freed_memory
from braze_mixpanel.singer.interrupts import end_quietly_at_interrupt


def main() -> None:
    """Run the command."""
    # Both calls must come before the import below: the import takes about a second, and Ctrl-C in
    # that second must not print a stack trace.
    end_quietly_at_interrupt()
    reuse_freed_memory()
    from target_braze_cohorts.target import TargetBrazeCohorts  # noqa: PLC0415 - takes time, see above

    TargetBrazeCohorts.cli()


if __name__ == "__main__":
    main()
