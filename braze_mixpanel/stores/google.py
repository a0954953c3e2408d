"""Open buckets of Google Cloud Storage, with its XML API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.store import GCSStore

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores.ambient import without_other_credentials
from braze_mixpanel.stores.connection import client_options, retry_config
from braze_mixpanel.stores.options import Options, endpoint_of, is_true

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_mixpanel.stores.use import Use

_CREDENTIALS = frozenset(
    [
        "application_credentials",
        "bearer_token",
        "service_account",
        "service_account_key",
        "skip_signature",
        "credential_provider",
    ]
)
_NAMES = frozenset(
    {
        "anon",
        "application_credentials",
        "base_url",
        "bearer_token",
        "client_options",
        "endpoint_url",
        "project",
        "requester_pays",
        "requests_timeout",
        "retry_config",
        "service_account",
        "service_account_key",
        "skip_signature",
        "timeout",
        "token",
    }
)
_TOKEN_NAMES: Mapping[str, Mapping[str, Any]] = {
    "google_default": {},
    "cloud": {},
    "anon": {"skip_signature": True},
}
"""Special values of `token` → the options of the store."""


def open_google(bucket: str, given: Mapping[str, Any], use: Use) -> GCSStore:
    """Open a bucket of Google Cloud Storage.

    Args:
        bucket: Its name.
        given: The options.
        use: What it is opened for.

    Raises:
        SettingsError: An option is wrong.
    """
    options = Options(given, _NAMES, use)
    endpoint = endpoint_of(
        options.text("endpoint_url", "base_url") or os.environ.get("STORAGE_EMULATOR_HOST"), use
    )
    store: dict[str, Any] = {"base_url": endpoint} if endpoint else {}
    if is_true(options.take("anon", "skip_signature")):
        store["skip_signature"] = True
    store.update(_token(options.take("token"), use))
    store["client_options"] = _connection(options, endpoint)
    store["retry_config"] = retry_config(options)
    store.update(options.rest(_CREDENTIALS))
    options.finish()
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if path and not store.keys() & _CREDENTIALS:
        store.update(_key_file(path, use))
    with without_other_credentials("GOOGLE_", store):
        return GCSStore(bucket, **store)


def _connection(options: Options, endpoint: str | None) -> dict[str, Any]:
    """Return how to connect, and who pays.

    Raises:
        SettingsError: The requester pays, but no project is named.
    """
    connect = client_options(options, endpoint)
    project, pays = options.text("project"), options.take("requester_pays")
    if isinstance(pays, str) and not is_true(pays):
        project = pays
    if pays:
        if not project:
            raise SettingsError(f"{options.place}.requester_pays needs project, which pays.")
        headers = connect.get("default_headers") or {}
        connect["default_headers"] = {**headers, "x-goog-user-project": project}
    if (timeout := options.seconds("requests_timeout", "timeout")) is not None:
        connect["timeout"] = timeout
    return connect


def _token(token: object, use: Use) -> dict[str, Any]:
    """Return the options for `token`: a special value, a path, a key as an object, or a token.

    Raises:
        SettingsError: The value needs a login in a browser, or is not a token.
    """
    if token is None:
        return {}
    if isinstance(token, str) and token in _TOKEN_NAMES:
        return dict(_TOKEN_NAMES[token])
    if token in ("browser", "cache"):
        raise SettingsError(
            f"{use.options}.token {token} is not supported: use google_default, cloud, anon, or "
            "the path of a key file."
        )
    if isinstance(token, dict):
        return _key(token, use)
    if not isinstance(token, str):
        raise SettingsError(f"{use.options}.token must be a text or an object.")
    if token.lstrip().startswith("{"):
        return _key(_object(token, f"{use.options}.token"), use)
    if token.endswith(".json") or Path(token).expanduser().is_file():
        return _key_file(token, use)
    return {"bearer_token": Options({"token": token}, (), use).text("token")}


def _key_file(path: str, use: Use) -> dict[str, Any]:
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"The Google key file {path} cannot be read ({reason}).") from error
    return _key(_object(text, path), use, path)


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise SettingsError(f"{place} is not a JSON object: is it a Google key file?")
    return key


def _key(key: dict[str, Any], use: Use, path: str | None = None) -> dict[str, Any]:
    """Return the options for a key, by its type."""
    kind = key.get("type", "service_account")
    if kind == "service_account":
        missing = [name for name in ("client_email", "private_key") if name not in key]
        if missing:
            raise SettingsError(f"The Google key has no {missing[0]}: is it a whole key file?")
        return {"service_account_key": json.dumps({"private_key_id": "", **key})}
    if kind == "authorized_user" and path:
        return {"application_credentials": str(Path(path).expanduser())}
    return {"credential_provider": _through_google_auth(key, use)}


def _through_google_auth(key: dict[str, Any], use: Use) -> Callable[[], dict[str, Any]]:
    """Return the function that obstore asks for tokens of federated and other identities.

    Raises:
        SettingsError: google-auth is missing, or does not know the key.
    """
    try:
        from braze_mixpanel.stores import google_identities  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            f"Google credentials of the type {key.get('type')} need another package: "
            "pip install 'braze-mixpanel[google-auth]'."
        ) from error
    return google_identities.token_provider(key, writes=use.writes)
