"""Errors of the membership database, told in one line that holds nobody's id."""

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
"""How the SQLSTATE of a broken connection, and of a server that shuts down, begins."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Tell errors of the database as ours; others pass.

    Raises:
        SettingsError: The database cannot be opened, read or written.
        TemporaryError: The connection broke.
    """
    try:
        yield
    except DBAPIError as error:
        # The statement's parameters would be people's ids: only the driver's own words are told.
        raise _told(str(error.orig), broke=error.connection_invalidated) from error
    except _driver_errors() as error:
        # COPY goes past SQLAlchemy to the driver.
        state = getattr(error, "sqlstate", None)
        broke = _is_operational(error) and (state is None or state.startswith(_CONNECTION_STATES))
        raise _told(str(error), broke=broke) from error


def _told(words: str, *, broke: bool) -> ConnectorError:
    reason = words.strip().partition("\n")[0]
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
    """Give the base of psycopg's errors, if this run uses it; it need not be installed."""
    driver = sys.modules.get("psycopg")
    return (driver.Error,) if driver else ()


def _is_operational(error: Exception) -> bool:
    return isinstance(error, sys.modules["psycopg"].OperationalError)
