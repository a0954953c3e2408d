"""Ctrl-C while a command starts. It imports nothing that takes time."""

import signal


def end_quietly_at_interrupt() -> None:
    """Let SIGINT end the process at once, until the plugin has its own handler.

    Python's own would show the stack trace of an import, half a second long.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
