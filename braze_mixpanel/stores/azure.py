"""Open containers of Azure Blob Storage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from obstore.store import AzureStore

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores.ambient import without_other_credentials
from braze_mixpanel.stores.connection import client_options, retry_config
from braze_mixpanel.stores.options import Options, endpoint_of, is_true

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.stores.use import Use

_OWN = frozenset(
    [
        "account_key",
        "account_name",
        "authority_host",
        "client_id",
        "client_secret",
        "credential_type",
        "encryption_key",
        "endpoint",
        "federated_token_file",
        "msi_endpoint",
        "msi_resource_id",
        "object_id",
        "sas_key",
        "skip_signature",
        "tenant_id",
        "token",
        "use_azure_cli",
        "use_emulator",
        "use_fabric_endpoint",
    ]
)
_NAMES = frozenset(
    {
        "account_host",
        "anon",
        "client_options",
        "connection_string",
        "credential",
        "endpoint_url",
        "retry_config",
        "sas_token",
        "socket_timeout",
    }
)
_SECRETS = frozenset({"account_key", "anon", "client_secret", "credential", "sas_key", "sas_token"})
_TEXTS = {
    "account_key": ("account_key", "credential"),
    "sas_key": ("sas_token", "sas_key"),
    "token": ("token",),
    "client_id": ("client_id",),
    "client_secret": ("client_secret",),
    "tenant_id": ("tenant_id",),
}


def open_azure(
    container: str, account: str | None, given: Mapping[str, Any], use: Use
) -> AzureStore:
    """Open a container of Azure Blob Storage.

    Args:
        container: Its name.
        account: The account that the URL names, if it does.
        given: The options.
        use: What it is opened for.

    Raises:
        SettingsError: An option is wrong, or no account is named.
    """
    options = Options(given, [*_NAMES, *_OWN], use)
    account = options.text("account_name") or account
    connection = options.take("connection_string")
    if not (connection or account or given.keys() & _SECRETS):
        connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    store = read_connection_string(str(connection), use) if connection else {}
    if account:
        store["account_name"] = account
    for name, aliases in _TEXTS.items():
        if value := options.text(*aliases):
            store[name] = value.lstrip("?")
    host = options.text("account_host")
    endpoint = options.text("endpoint_url", "endpoint") or (f"https://{host}" if host else None)
    if endpoint := endpoint_of(endpoint, use) or store.get("endpoint"):
        store["endpoint"] = endpoint
    if is_true(options.take("anon", "skip_signature")):
        store["skip_signature"] = True
    store["client_options"] = client_options(options, endpoint)
    store["retry_config"] = retry_config(options)
    options.take("socket_timeout")
    store.update(options.rest(_OWN))
    options.finish()
    if "account_name" not in store and not os.environ.get("AZURE_STORAGE_ACCOUNT_NAME"):
        raise SettingsError(
            "Azure needs the storage account: set account_name or connection_string in "
            f"{use.options}."
        )
    with without_other_credentials("AZURE_", store):
        return AzureStore(container, **store)


def read_connection_string(text: str, use: Use) -> dict[str, Any]:
    """Read a connection string as the portal shows it.

    Source: "Configure Azure Storage connection strings", Microsoft Learn.

    Args:
        text: The connection string.
        use: Names the setting in the error.

    Returns:
        Options of obstore's AzureStore.

    Raises:
        SettingsError: It names no account.
    """
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
    if is_true(parts.get("UseDevelopmentStorage")):
        return {"use_emulator": True, "account_name": "devstoreaccount1"}
    endpoint = parts.get("BlobEndpoint")
    account = parts.get("AccountName") or (endpoint or "").partition("://")[2].partition(".")[0]
    if not account:
        raise SettingsError(f"{use.options}.connection_string names no AccountName.")
    if not endpoint and (suffix := parts.get("EndpointSuffix")):
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        endpoint = f"{protocol}://{account}.blob.{suffix}"
    store: dict[str, Any] = {"account_name": account}
    if endpoint := endpoint_of(endpoint, use):
        store["endpoint"] = endpoint
    if key := parts.get("AccountKey"):
        store["account_key"] = key
    elif signature := parts.get("SharedAccessSignature"):
        store["sas_key"] = signature.lstrip("?")
    return store
