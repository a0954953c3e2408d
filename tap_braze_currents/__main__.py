"""The command `tap-braze-currents`, also as `python -m tap_braze_currents`."""

from braze_mixpanel.memory import reuse_freed_memory
from braze_mixpanel.singer.interrupts import end_quietly_at_interrupt


def main() -> None:
    """Run the command."""
    end_quietly_at_interrupt()
    reuse_freed_memory()
    from tap_braze_currents.tap import TapBrazeCurrents  # noqa: PLC0415 - takes time, see above

    TapBrazeCurrents.cli()


if __name__ == "__main__":
    main()
