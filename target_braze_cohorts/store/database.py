"""Open the membership database, and lock it, so that only one run at a time uses it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.files.sqlite_files import make_private, sqlite_file
from target_braze_cohorts.store.database_errors import database_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_SQLITE_CACHE_KIB = 64 * 1024
_SQLITE_HEADER = b"SQLite format 3\0"
_CONNECT_SECONDS = 30
_CHECK_SECONDS = 5

_BUSY = (
    "Another run of target-braze-cohorts is using the same membership_db: wait until it ends. "
    "Two at once would undo each other's changes in Braze."
)


def parse_url(url: str) -> URL:
    """Return the parsed setting `membership_db`.

    Only SQLite and PostgreSQL are supported: staging, bulk loading and a lock that ends with the
    process need their own code for each kind of database.

    Returns:
        The URL, with psycopg 3 as the driver of PostgreSQL.

    Raises:
        SettingsError: The text is not a URL, or it names no file, or another kind of database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise SettingsError(
            "Setting membership_db is wrong: it must be a SQLAlchemy URL such as "
            "sqlite:///braze_cohorts.db or postgresql://user:password@host/database."
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend == SQLITE:
        if sqlite_file(parsed) is None:
            raise SettingsError(
                "Setting membership_db is wrong: give a file, as in sqlite:///braze_cohorts.db. A "
                "database in memory forgets who is in Braze when the run ends, and then nobody can "
                "be removed."
            )
        return parsed.set(drivername=SQLITE)
    if backend in {POSTGRESQL, "postgres"}:
        return parsed.set(drivername=f"{POSTGRESQL}+psycopg")
    raise SettingsError(
        f"Setting membership_db is wrong: {backend} is not supported, only sqlite and postgresql."
    )


def _file_of(url: URL) -> Path:
    file = sqlite_file(url)
    if file is None:
        raise ValueError("parse_url refuses a database in memory")
    return file


@contextmanager
def open_database(url: str, workspace: str) -> Iterator[Connection]:
    """Connect to the database, and hold a lock against other runs until the block ends.

    All work of a run uses this one connection. If the connection breaks, the lock and the work end
    together, so another run cannot start in between.

    Args:
        url: The setting `membership_db`.
        workspace: The workspace to lock. On SQLite the whole file is locked.

    Yields:
        The connection.

    Raises:
        SettingsError: The database cannot be opened or, later, written.
        TemporaryError: Another run holds the lock, or the connection broke.
    """
    parsed = parse_url(url)
    lock = _file_lock(parsed) if parsed.drivername == SQLITE else nullcontext()
    with lock, _connection(parsed) as connection:
        if connection.dialect.name == POSTGRESQL:
            _advisory_lock(connection, workspace)
        yield connection


@contextmanager
def _connection(url: URL, connect_seconds: int = _CONNECT_SECONDS) -> Iterator[Connection]:
    try:
        arguments = {} if url.drivername == SQLITE else _arguments(url, connect_seconds)
        engine = create_engine(
            url,
            connect_args=arguments,
            hide_parameters=True,  # parameters are people's ids: no stack trace may show them
            pool_reset_on_return=None,  # the reset of a broken connection would log a stack trace
        )
    except (ImportError, NoSuchModuleError):
        raise SettingsError(
            'membership_db needs the PostgreSQL driver: pip install "braze-mixpanel[postgres]".'
        ) from None
    if engine.dialect.name == SQLITE:
        event.listen(engine, "connect", _tune_sqlite)
    try:
        with database_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _arguments(url: URL, connect_seconds: int) -> dict[str, int | None]:
    # No prepared statements: PostgreSQL would keep a query plan from when a table was empty.
    arguments: dict[str, int | None] = {"prepare_threshold": None}
    # Without a limit, the run waits forever for a server that accepts and then stays silent.
    return (
        arguments
        if "connect_timeout" in url.query
        else arguments | {"connect_timeout": connect_seconds}
    )


@contextmanager
def _file_lock(url: URL) -> Iterator[None]:
    """Hold a lock on a file next to the database. The lock ends with the process in any case."""
    path = _file_of(url).resolve()  # so that two links to one database share the lock
    # First check that this is a database: `make_private` must not change another file's rights.
    _require_sqlite(path)
    try:
        make_private(path)
        # O_NOFOLLOW: if someone has put a link in the lock's place, no file is created at its
        # target.
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(f"{path}.lock", flags, 0o600)
    except OSError as error:
        raise SettingsError(
            f"The membership database {path} cannot be opened: {error.strerror}. "
            "Give a file in a writable folder in membership_db."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise TemporaryError(_BUSY) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _tune_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # FULL: if a power cut lost an acknowledgement, the store would be wrong about Braze.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
    # FILE: staging uses temporary tables, and millions of members do not fit into the memory.
    cursor.execute("PRAGMA temp_store = FILE")
    cursor.execute(f"PRAGMA temp.cache_size = -{_SQLITE_CACHE_KIB}")
    cursor.close()


def _advisory_lock(connection: Connection, workspace: str) -> None:
    """Take a lock that ends with the connection. Raise TemporaryError if another run has it."""
    key = {"key": _lock_key(workspace)}
    taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar()
    connection.commit()
    if not taken:
        raise TemporaryError(_BUSY)


def wait_for_turn(connection: Connection) -> None:
    """Wait until no other run is creating tables. The lock ends with the next commit.

    PostgreSQL raises an error if two connections create the same table at the same time, and the
    first runs of several workspaces may start together. On SQLite they cannot: the file is locked.
    """
    if connection.dialect.name == POSTGRESQL:
        key = {"key": _lock_key("(tables)")}
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), key)


def _lock_key(name: str) -> int:
    digest = hashlib.sha256(f"target-braze-cohorts {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def check_database(url: str) -> None:
    """Check that the database can be used. This writes nothing.

    Args:
        url: The setting `membership_db`.

    Raises:
        SettingsError: The database cannot be used.
    """
    parsed = parse_url(url)
    if parsed.drivername == SQLITE:
        _check_file(_file_of(parsed))
        return
    with _connection(parsed, _CHECK_SECONDS) as connection:
        connection.execute(text("SELECT 1"))


def _check_file(path: Path) -> None:
    """Check a file without opening it with SQLite, which would create files next to it."""
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SettingsError(
            f"The membership database {path} cannot be written. "
            "Give a file in a writable folder in membership_db."
        )
    _require_sqlite(path)


def _require_sqlite(path: Path) -> None:
    """Raise SettingsError if the file exists and is not a SQLite database."""
    try:
        with path.open("rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(
            f"The membership database {path} cannot be opened: {error.strerror}. "
            "Give a file in a writable folder in membership_db."
        ) from error
    if header not in {b"", _SQLITE_HEADER}:
        raise SettingsError(
            f"{path} is not a SQLite database. Give another file, or one that does not exist yet, "
            "in membership_db."
        )
