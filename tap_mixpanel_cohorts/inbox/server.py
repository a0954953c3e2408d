"""Run the server of the inbox: open its database, listen, and stop on a signal.

Needs the extra `inbox`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import sqlalchemy as sa
import uvicorn

from braze_mixpanel.errors import SettingsError
from tap_mixpanel_cohorts.inbox.access import PASSWORD_VARIABLE
from tap_mixpanel_cohorts.inbox.app import Inbox, make_app
from tap_mixpanel_cohorts.inbox.cleaning import Cleaning
from tap_mixpanel_cohorts.inbox.connections import HEAD_SECONDS, BoundedConnection
from tap_mixpanel_cohorts.inbox.database import SQLITE, create_tables, make_engine, parse_url
from tap_mixpanel_cohorts.inbox.intake import Intake
from tap_mixpanel_cohorts.inbox.logs import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_mixpanel_cohorts.inbox.access import BasicAccess

_STOP_SECONDS: Final = 30
_POSTGRESQL_WRITERS: Final = 8
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger("mixpanel-cohort-inbox")


class Endpoint(NamedTuple):
    """The address that the inbox listens on."""

    host: str
    port: int
    """0: any free port. The log shows it."""
    certificate: str | None = None
    """The path of the certificate. None: plain HTTP."""
    key: str | None = None
    """The path of the certificate's key."""


class _Server(uvicorn.Server):
    """A server that stops on SIGTERM and SIGINT after the requests in flight, with exit code 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal. The method of uvicorn would raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        yield


def serve(
    inbox_db: str, endpoint: Endpoint, access: BasicAccess, names: Sequence[str], *, keep_days: int
) -> None:
    """Serve until SIGTERM or SIGINT. A push in flight is still stored and answered.

    Args:
        inbox_db: The SQLAlchemy URL of the database.
        endpoint: The address to listen on.
        access: Checks the credentials of each call.
        names: The profile properties to keep.
        keep_days: How many days unfinished exports are kept.

    Raises:
        SettingsError: The URL or the address cannot be used.
        TemporaryError: The database cannot be reached.
    """
    log_to_stderr()
    url = parse_url(inbox_db, "--inbox-db")
    writers = 1 if url.drivername == SQLITE else _POSTGRESQL_WRITERS
    engine = make_engine(url, writes=True, connections=writers + 2)
    reader = make_engine(url, writes=False, connections=2)

    def ping() -> None:
        with reader.connect() as connection:
            connection.execute(sa.text("SELECT sequence FROM inbox"))

    with _listening(endpoint.host, endpoint.port) as listener:
        create_tables(engine, msgspec.json.encode(names).decode())
        inbox = Inbox(Intake(engine), access, names, ping=ping, writers=writers)
        config = uvicorn.Config(
            make_app(inbox, Cleaning(engine, keep_days).run),
            http=BoundedConnection,
            ws="none",
            access_log=False,
            log_config=None,
            lifespan="on",
            limit_concurrency=1000,
            timeout_keep_alive=HEAD_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
            server_header=False,
            ssl_certfile=endpoint.certificate,
            ssl_keyfile=endpoint.key,
        )
        _announce(listener, is_open=access.is_open, tls=bool(endpoint.certificate), names=names)
        asyncio.run(_Server(config).serve([listener]))
    engine.dispose()
    reader.dispose()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(
            f"--host {host} is not an address of this machine: {error.strerror}."
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.settimeout(0)  # asyncio needs a socket that does not block
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on port {port} of {host}: {error.strerror}. Stop the program that uses "
            "it, or give another --port."
        ) from None
    with listener:
        yield listener


def _announce(listener: socket.socket, *, is_open: bool, tls: bool, names: Sequence[str]) -> None:
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    shown = f"[{host}]" if ":" in host else host
    fields = {"url": f"{scheme}://{shown}:{port}/", "profile_properties": names}
    _log.info("listening", extra={"fields": fields})
    if is_open:
        _log.warning(
            "no password is set: anyone who reaches this address can push cohorts. Set %s",
            PASSWORD_VARIABLE,
        )
    if not tls and host not in _LOOPBACK:
        _log.warning(
            "plain HTTP on %s: put a TLS proxy in front of it, or give --tls-cert and --tls-key",
            host,
        )
