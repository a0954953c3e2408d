"""Connect to the database of the inbox, and convert its errors to one line without ids."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.files.sqlite_files import make_private, sqlite_file
from tap_mixpanel_cohorts.inbox.schema import VERSION, inbox, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_BUSY_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 10
_TABLES_LOCK: Final = 5_907_113_024_117_201
"""The number of the advisory lock that lets only one process at a time create the tables."""


def parse_url(url: str, setting: str) -> sa.URL:
    """Return the parsed URL of an inbox.

    Args:
        url: A SQLAlchemy URL.
        setting: The name of the setting or option, for messages.

    Returns:
        The URL, with psycopg 3 as the driver of PostgreSQL.

    Raises:
        SettingsError: The text is not a URL of SQLite or PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise SettingsError(
            f"{setting} is wrong: it must be a SQLAlchemy URL such as sqlite:///inbox.db or "
            "postgresql://user:password@host/database."
        ) from None
    kind = parsed.drivername.partition("+")[0]
    if kind == SQLITE:
        if sqlite_file(parsed) is None:
            raise SettingsError(
                f"{setting} is wrong: give a file, as in sqlite:///inbox.db. A database in memory "
                "ends with its process."
            )
        return parsed.set(drivername=SQLITE)
    if kind in {POSTGRESQL, "postgres"}:
        return parsed.set(drivername=f"{POSTGRESQL}+psycopg")
    raise SettingsError(f"{setting} is wrong: {kind} is not supported, only sqlite and postgresql.")


def make_engine(url: sa.URL, *, writes: bool, connections: int = 5) -> sa.Engine:
    """Return an engine. This opens no connection.

    Args:
        url: The result of `parse_url`.
        writes: True: on SQLite, each transaction takes the write lock when it begins. False: a
            transaction sees only what was committed before it began.
        connections: The most connections at the same time.

    Raises:
        SettingsError: The driver is not installed.
    """
    is_sqlite = url.drivername == SQLITE
    arguments: dict[str, object] = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    if not is_sqlite:
        arguments = {"prepare_threshold": None}
        if "connect_timeout" not in url.query:
            arguments["connect_timeout"] = _CONNECT_SECONDS
    try:
        engine = sa.create_engine(
            url,
            connect_args=arguments,
            hide_parameters=True,  # parameters are people's ids: no stack trace may show them
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=not is_sqlite,
            **({} if is_sqlite or writes else {"isolation_level": "REPEATABLE READ"}),
        )
    except (ImportError, NoSuchModuleError):
        raise SettingsError(
            'PostgreSQL needs its driver: pip install "braze-mixpanel[postgres]".'
        ) from None
    if is_sqlite:
        sa.event.listen(engine, "connect", _tune_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _tune_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin transactions: `begin` above does
    cursor = connection.cursor()
    # FULL: a page that was answered with success must survive a power cut.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def create_tables(engine: sa.Engine, profile_properties: str) -> None:
    """Create missing tables, and store which profile properties are kept.

    Args:
        engine: An engine that can write.
        profile_properties: The names of the properties, as JSON.

    Raises:
        SettingsError: The database cannot be opened or written, or has another version.
        TemporaryError: The database cannot be reached now.
    """
    if engine.dialect.name == SQLITE:
        _make_file(engine.url)
    with database_errors(), engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TABLES_LOCK)))
        metadata.create_all(connection)
        version = connection.scalar(sa.select(inbox.c.version))
        if version is None:
            connection.execute(
                inbox.insert().values(
                    id=1,
                    version=VERSION,
                    identity=uuid.uuid4().hex,
                    sequence=0,
                    passed_sequence=0,
                    profile_properties=profile_properties,
                )
            )
        elif version != VERSION:
            raise SettingsError(
                f"The inbox was created by another version of this program (its tables have "
                f"version {version}, not {VERSION}): use that version, or another database."
            )
        else:
            connection.execute(inbox.update().values(profile_properties=profile_properties))


def _make_file(url: sa.URL) -> None:
    """Create the file, readable only by its owner."""
    path = sqlite_file(url)
    if path is None:
        return
    try:
        make_private(path)
    except OSError as error:
        raise SettingsError(
            f"The inbox database {path} cannot be opened: {error.strerror}. "
            "Give a file in a writable folder."
        ) from error


def require_inbox(engine: sa.Engine) -> None:
    """Check that the database holds an inbox. This creates nothing.

    Raises:
        SettingsError: There is no inbox.
        TemporaryError: The database cannot be reached now.
    """
    path = sqlite_file(engine.url) if engine.dialect.name == SQLITE else None
    if path is not None and not path.is_file():
        raise SettingsError(
            f"inbox_db: there is no file {path}. Start mixpanel-cohort-inbox with the same "
            "--inbox-db first, or correct the path."
        )
    with database_errors(), engine.connect() as connection:
        if not sa.inspect(connection).has_table(inbox.name):
            raise SettingsError(
                "inbox_db: this database holds no inbox. Start mixpanel-cohort-inbox with the same "
                "--inbox-db first, or correct the URL."
            )


@contextmanager
def database_errors() -> Iterator[None]:
    """Convert errors of the database into the errors of this project. Other errors pass.

    Raises:
        SettingsError: The database cannot be opened, read or written.
        TemporaryError: The connection broke, or the database is locked.
    """
    try:
        yield
    except DBAPIError as error:
        # Only the first line of the driver's message: further lines of PostgreSQL quote values.
        words = str(error.orig).strip().partition("\n")[0]
        if error.connection_invalidated or "locked" in words:
            raise TemporaryError(f"The inbox database cannot be used now: {words}.") from None
        raise SettingsError(
            f"The inbox database cannot be used: {words}. Check its URL, that it can be reached "
            "and written, and that it has free space."
        ) from None
