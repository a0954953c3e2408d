"""Handle Ctrl-C while a command starts. This module imports nothing that takes time."""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum, where Ctrl-C shows


def end_quietly_at_interrupt() -> None:
    """Let SIGINT end the process at once, until the plugin installs its own handler.

    Python's default handler would print the stack trace of an import.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
