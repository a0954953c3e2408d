"""The command `mixpanel-cohort-inbox`."""

from __future__ import annotations

import os
import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import click
import msgspec

from braze_mixpanel.errors import ConnectorError, SettingsError
from tap_mixpanel_cohorts.inbox.access import PASSWORD_VARIABLE, PREFIX, BasicAccess

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Options(TypedDict):
    """The options below, as click passes them."""

    inbox_db: str
    host: str
    port: int
    username: str | None
    profile_properties: str
    tls_cert: str | None
    tls_key: str | None
    keep_days: int


_option = partial(click.option, show_envvar=True)


@click.command(
    context_settings={"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]},
    epilog=f"Each option can also be set in the environment ({PREFIX}_PORT and so on). The "
    f"password can only be set there, as {PASSWORD_VARIABLE}.",
)
@_option("--inbox-db", required=True, help="SQLAlchemy URL: sqlite:///file or postgresql://…")
@_option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@_option("--username", help="User name that Mixpanel sends. By default any is accepted.")
@_option(
    "--profile-properties",
    default="[]",
    show_default=True,
    help='JSON list of the properties to keep, such as ["$braze_external_id"].',
)
@_option("--tls-cert", help="File with the certificate (PEM). Without it: plain HTTP.")
@_option("--tls-key", help="File with the certificate's key (PEM).")
@_option(
    "--keep-days",
    default=14,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many days to keep exports that never ended, and people who left. At least 4 are "
    "used, because Mixpanel may refer to them for that long.",
)
@click.version_option(package_name="braze-mixpanel")
def _command(**options: Unpack[_Options]) -> None:
    """Store what Mixpanel's cohort sync pushes, so that tap-mixpanel-cohorts can read it."""
    names = read_names(options["profile_properties"])
    # An empty user, as a variable that is not set gives it, is none: no call could have that one.
    username, password = options["username"] or None, os.environ.get(PASSWORD_VARIABLE) or None
    if username and not password:
        raise SettingsError(f"--username needs a password: set {PASSWORD_VARIABLE}.")
    certificate, key = options["tls_cert"], options["tls_key"]
    _check_certificate(certificate, key)
    try:
        # Imported here, so that --help needs neither the extra nor the time to load SQLAlchemy.
        from tap_mixpanel_cohorts.inbox import server  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            'The inbox needs its libraries: pip install "braze-mixpanel[inbox]".'
        ) from None
    server.serve(
        options["inbox_db"],
        server.Endpoint(options["host"], options["port"], certificate, key),
        BasicAccess(username, password),
        names,
        keep_days=options["keep_days"],
    )


def main() -> None:
    """Run the command. Print expected errors in one line, and exit with their code."""
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


def read_names(text: str) -> list[str]:
    """Return the names in `--profile-properties`, without duplicates.

    Raises:
        SettingsError: The text is not a JSON list of strings.
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
                f"The certificate {certificate} does not match the key {key}: give the key of this "
                "certificate."
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
