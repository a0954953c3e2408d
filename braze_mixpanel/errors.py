"""Errors by what happens next.

    ConnectorError
    ├── SettingsError    fix a setting or a permission, then run again      exit code 78
    ├── TemporaryError   nothing to fix: run again later                    exit code 75
    ├── InputError       look at a file, line or record that is not right   exit code 65
    └── StoppedError     a signal ended the run; run again                  exit code 143

The exit codes are those of sysexits.h, so that an orchestrator knows when to retry.
Every message is one line that says what is wrong, where, and what to do. It never holds a secret
or a customer's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable


class ConnectorError(Exception):
    """A foreseeable failure, reported to the user in one line instead of a stack trace."""

    exit_code: ClassVar[int] = 1


class SettingsError(ConnectorError):
    """The settings or the credentials are wrong: no retry helps until they are changed."""

    exit_code = 78


class TemporaryError(ConnectorError):
    """A service stayed unavailable for longer than the run may wait; state is as it was."""

    exit_code = 75


class InputError(ConnectorError):
    """Some input cannot be read; all the rest was dealt with before this is raised."""

    exit_code = 65


class StoppedError(ConnectorError):
    """SIGTERM or SIGINT ended the run before its input did."""

    exit_code = 143


def run_all(*steps: Callable[[], object]) -> None:
    """Run all steps, also after one fails, and raise the first error: it is the cause."""
    first: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - raised below
            first = first or error
    if first is not None:
        raise first
