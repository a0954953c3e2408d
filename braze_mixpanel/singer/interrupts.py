"""Ctrl-C while a command starts. It imports nothing that takes time."""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum, where Ctrl-C shows


def end_quietly_at_interrupt() -> None:
    """Let SIGINT end the process at once, until the plugin has its own handler.

    Python's own would show the stack trace of an import, half a second long.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
