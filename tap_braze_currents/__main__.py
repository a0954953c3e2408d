"""Run the command `tap-braze-currents`, also as `python -m tap_braze_currents`."""

from braze_mixpanel.memory import reuse_freed_memory
from braze_mixpanel.singer.interrupts import end_quietly_at_interrupt


def main() -> None:
    """Run the command."""
    # Both calls must come before the import below: the import takes about a second, and Ctrl-C in
    # that second must not print a stack trace.
    end_quietly_at_interrupt()
    reuse_freed_memory()
    from tap_braze_currents.tap import TapBrazeCurrents  # noqa: PLC0415 - takes time, see above

    TapBrazeCurrents.cli()


if __name__ == "__main__":
    main()
