"""The command `mixpanel-cohort-inbox`."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from braze_mixpanel.errors import ConnectorError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "MIXPANEL_COHORT_INBOX"
PASSWORD: Final = f"{PREFIX}_PASSWORD"
_STOP_SECONDS: Final = 30
_POSTGRESQL_WRITERS: Final = 8
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@click.command(
    context_settings={"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]},
    epilog=f"Each option may also stand in the environment ({PREFIX}_PORT and so on); the password "
    f"only there, as {PASSWORD}.",
)
@click.option("--inbox-db", required=True, help="SQLAlchemy URL: sqlite:///file or postgresql://…")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option("--username", help="User that Mixpanel sends; any, if not given.")
@click.option(
    "--profile-properties",
    default="[]",
    show_default=True,
    help='JSON list of the properties to keep, such as ["$braze_external_id"].',
)
@click.option("--tls-cert", help="File with the certificate (PEM); without one, plain HTTP.")
@click.option("--tls-key", help="File with the certificate's key (PEM).")
@click.option(
    "--keep-days",
    default=14,
    show_default=True,
    type=click.IntRange(min=1),
    help="How long exports that never ended, and who left, are kept at the latest.",
)
@click.version_option(package_name="braze-mixpanel")
def _command(**options: Any) -> None:  # noqa: ANN401 - click's
    """Take what Mixpanel's cohort sync pushes, for tap-mixpanel-cohorts to read."""
    from tap_mixpanel_cohorts.inbox.logs import log_to_stderr  # noqa: PLC0415 - after --help

    log_to_stderr()
    serve(**options)


def main() -> None:
    """Run the command; a foreseeable mistake is one line and an exit code."""
    try:
        _command.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        sys.exit(SettingsError.exit_code)
    except ConnectorError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def serve(
    *,
    inbox_db: str,
    host: str,
    port: int,
    username: str | None,
    profile_properties: str,
    tls_cert: str | None,
    tls_key: str | None,
    keep_days: int,
) -> None:
    """Serve until SIGTERM or SIGINT; what is being stored then is stored and answered.

    Args:
        inbox_db: SQLAlchemy URL of the database.
        host: Address to listen at.
        port: Port to listen at; 0 for a free one, which the log names.
        username: User that callers must give; None if any will do.
        profile_properties: JSON list of the names of the properties to keep.
        tls_cert: File of the certificate; None for plain HTTP.
        tls_key: File of its key.
        keep_days: How long unfinished exports are kept.

    Raises:
        SettingsError: Something is wrong with what was given.
        TemporaryError: The database cannot be reached.
    """
    names = read_names(profile_properties)
    password = os.environ.get(PASSWORD) or None
    if username and not password:
        raise SettingsError(f"--username needs a password: set {PASSWORD}.")
    _check_certificate(tls_cert, tls_key)
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from tap_mixpanel_cohorts.inbox.app import Inbox, make_app  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingsError(
            'The inbox needs its libraries: pip install "braze-mixpanel[inbox]".'
        ) from None
    import sqlalchemy as sa  # noqa: PLC0415 - costs time

    from tap_mixpanel_cohorts.inbox.access import BasicAccess  # noqa: PLC0415
    from tap_mixpanel_cohorts.inbox.cleaning import Cleaning  # noqa: PLC0415
    from tap_mixpanel_cohorts.inbox.database import (  # noqa: PLC0415
        SQLITE,
        create_tables,
        make_engine,
        parse_url,
    )
    from tap_mixpanel_cohorts.inbox.intake import Intake  # noqa: PLC0415

    url = parse_url(inbox_db, "--inbox-db")
    writers = 1 if url.drivername == SQLITE else _POSTGRESQL_WRITERS
    engine = make_engine(url, writes=True, connections=writers + 2)
    reader = make_engine(url, writes=False, connections=2)

    def ping() -> None:
        with reader.connect() as connection:
            connection.execute(sa.text("SELECT sequence FROM inbox"))

    with _listening(host, port) as listener:
        create_tables(engine, msgspec.json.encode(names).decode())
        inbox = Inbox(
            Intake(engine), BasicAccess(username, password), names, ping=ping, writers=writers
        )
        config = uvicorn.Config(
            make_app(inbox, Cleaning(engine, keep_days).run),
            access_log=False,
            log_config=None,
            lifespan="on",
            limit_concurrency=1000,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_STOP_SECONDS,
            server_header=False,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
        )
        _announce(listener, password=password, tls=bool(tls_cert), names=names)
        _run(uvicorn.Server(config), listener)
    engine.dispose()
    reader.dispose()


def read_names(text: str) -> list[str]:
    """Read `--profile-properties`.

    Raises:
        SettingsError: It is no JSON list of texts.
    """
    try:
        return list(dict.fromkeys(msgspec.json.decode(text, type=list[str])))
    except msgspec.DecodeError:
        raise SettingsError(
            '--profile-properties must be a JSON list of names, such as ["$braze_external_id"].'
        ) from None


def _check_certificate(certificate: str | None, key: str | None) -> None:
    if not certificate and not key:
        return
    if not certificate or not key:
        raise SettingsError("--tls-cert and --tls-key go together: give both or neither.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"The certificate {certificate} does not fit the key {key}: give the key that the "
                "certificate was made for."
            ) from None
        raise SettingsError(
            f"--tls-cert {certificate} and --tls-key {key} cannot be read as PEM files "
            f"({error.reason or 'no certificate or key in them'}). A key with a passphrase is not "
            "supported."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"--tls-cert {certificate} or --tls-key {key} cannot be opened: {error.strerror}."
        ) from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(
            f"--host {host} is no address of this machine: {error.strerror}."
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)  # noqa: FBT003 - the library's form
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} of {host} cannot be listened at: {error.strerror}. Stop what uses it, or "
            "give another --port."
        ) from None
    with listener:
        yield listener


def _announce(
    listener: socket.socket, *, password: str | None, tls: bool, names: list[str]
) -> None:
    import logging  # noqa: PLC0415 - beside its only use

    log = logging.getLogger("mixpanel-cohort-inbox")
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    shown = f"[{host}]" if ":" in host else host
    fields = {"url": f"{scheme}://{shown}:{port}/", "profile_properties": names}
    log.info("listening", extra={"fields": fields})
    if password is None:
        log.warning(
            "no password is set: anybody who reaches this address can push cohorts; set %s",
            PASSWORD,
        )
    if not tls and host not in _LOOPBACK:
        log.warning(
            "plain HTTP on %s: let a TLS proxy stand before it, or give --tls-cert and --tls-key",
            host,
        )


def _run(server: Any, listener: socket.socket) -> None:  # noqa: ANN401 - uvicorn is an extra
    """Serve; SIGTERM and SIGINT end it after the requests in flight, with exit code 0."""
    import asyncio  # noqa: PLC0415 - beside its only use

    @contextmanager
    def stopping() -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, server.handle_exit, signum, None)
        yield

    server.capture_signals = stopping  # the library's own raises the signal again at the end
    asyncio.run(server.serve([listener]))
