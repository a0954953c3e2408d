"""Convert errors of the membership database to a one-line message without people's ids."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from braze_mixpanel.errors import SettingsError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_mixpanel.errors import ConnectorError

_CONNECTION_STATES: Final = ("08", "57P")
"""Prefixes of the SQLSTATE for a broken connection (08) and for a server that shuts down (57P)."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Convert errors of the database to `ConnectorError`. Other errors pass.

    Raises:
        SettingsError: The database cannot be opened, read or written.
        TemporaryError: The connection broke.
    """
    try:
        yield
    except DBAPIError as error:
        # Only the driver's message is used, because the statement's parameters are people's ids.
        raise _connector_error(str(error.orig), broke=error.connection_invalidated) from error
    except _driver_errors() as error:
        # COPY calls the driver directly, so SQLAlchemy does not wrap its errors.
        state = getattr(error, "sqlstate", None)
        broke = _is_operational(error) and (state is None or state.startswith(_CONNECTION_STATES))
        raise _connector_error(str(error), broke=broke) from error


def _connector_error(message: str, *, broke: bool) -> ConnectorError:
    reason = message.strip().partition("\n")[0]
    if broke:
        return TemporaryError(
            f"The connection to the membership database broke: {reason}. Run again: what Braze "
            "acknowledged is kept, and the rest is sent then."
        )
    return SettingsError(
        f"The membership database failed: {reason}. Check membership_db: that it can be "
        "reached and written and has free space (SQLite stages members in SQLITE_TMPDIR)."
    )


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return the base of psycopg's errors if this run uses psycopg, which is optional."""
    driver = sys.modules.get("psycopg")
    return (driver.Error,) if driver else ()


def _is_operational(error: Exception) -> bool:
    return isinstance(error, sys.modules["psycopg"].OperationalError)
