"""The errors of the plugins, by what the user must do next.

    ConnectorError
    ├── SettingsError    fix a setting or a permission, then run again      exit code 78
    ├── TemporaryError   nothing to fix: run again later                    exit code 75
    ├── InputError       look at a file, line or record that is wrong       exit code 65
    └── StoppedError     a signal ended the run; run again                  exit code 143

The exit codes are from sysexits.h (143: SIGTERM), so that an orchestrator knows when to retry.
Every message is one line with what is wrong, where, and what to do. It never contains a secret or
a customer's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable


class ConnectorError(Exception):
    """An expected failure. The user sees one line instead of a stack trace."""

    exit_code: ClassVar[int] = 1


class SettingsError(ConnectorError):
    """The settings or credentials are wrong. A retry does not help until they are changed."""

    exit_code = 78


class TemporaryError(ConnectorError):
    """A service was unavailable for longer than the run may wait. A later run may succeed."""

    exit_code = 75


class InputError(ConnectorError):
    """Some input cannot be read. All other input was processed before this is raised."""

    exit_code = 65


class StoppedError(ConnectorError):
    """SIGTERM or SIGINT ended the run before the end of its input."""

    exit_code = 143


def run_all(*steps: Callable[[], object]) -> None:
    """Run all steps, even after an error, and raise the first error, which is the cause."""
    first: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - raised below
            first = first or error
    if first is not None:
        raise first
