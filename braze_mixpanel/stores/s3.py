"""Open buckets of S3 and of services with the same API (MinIO, R2, …)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import requests
from obstore.store import S3Store

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores.ambient import without_other_credentials
from braze_mixpanel.stores.aws_profiles import profile_of
from braze_mixpanel.stores.connection import (
    botocore_config,
    certificates,
    client_options,
    retry_config,
)
from braze_mixpanel.stores.options import Options, endpoint_of, is_true

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.stores.use import Use

_OWN = frozenset(
    [
        "access_key_id",
        "container_authorization_token_file",
        "container_credentials_full_uri",
        "container_credentials_relative_uri",
        "default_region",
        "endpoint",
        "imdsv1_fallback",
        "metadata_endpoint",
        "region",
        "request_payer",
        "role_arn",
        "role_session_name",
        "s3_express",
        "secret_access_key",
        "server_side_encryption",
        "session_token",
        "skip_signature",
        "sse_customer_key_base64",
        "sts_endpoint",
        "unsigned_payload",
        "virtual_hosted_style_request",
        "web_identity_token_file",
    ]
)
_NAMES = frozenset(
    {
        "anon",
        "client_kwargs",
        "client_options",
        "config_kwargs",
        "endpoint_url",
        "key",
        "password",
        "profile",
        "region_name",
        "requester_pays",
        "retry_config",
        "s3_additional_kwargs",
        "secret",
        "token",
        "use_ssl",
        "username",
    }
)
_OF_CLIENT = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "endpoint_url",
        "region_name",
        "use_ssl",
        "verify",
    }
)
_OF_CONFIG = frozenset(
    {
        "connect_timeout",
        "proxies",
        "read_timeout",
        "region_name",
        "retries",
        "s3",
        "signature_version",
    }
)
_OF_CONFIG_IGNORED = frozenset(
    {
        "max_pool_connections",
        "tcp_keepalive",
        "user_agent",
        "user_agent_extra",
    }
)
_OTHER_SOURCES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_SECONDS_TO_FIND_THE_REGION = 5


class _Given:
    """The options, with the nested options of botocore in the form that s3fs uses."""

    def __init__(self, given: Mapping[str, Any], use: Use) -> None:
        self.options = Options(given, [*_NAMES, *_OWN], use)
        self.client = self.options.nested("client_kwargs", _OF_CLIENT)
        self.config = self.options.nested("config_kwargs", _OF_CONFIG)
        self.extra = self.options.nested("s3_additional_kwargs", ["RequestPayer"])
        self.config.rest(_OF_CONFIG_IGNORED)

    def finish(self) -> None:
        for options in (self.client, self.config, self.extra, self.options):
            options.finish()


def open_s3(bucket: str, given: Mapping[str, Any], use: Use) -> S3Store:
    """Open a bucket of S3.

    Args:
        bucket: Its name.
        given: The options.
        use: What it is opened for.

    Raises:
        SettingsError: An option is wrong, or there are no credentials.
    """
    parts = _Given(given, use)
    options, client = parts.options, parts.client
    endpoint = endpoint_of(
        options.text("endpoint_url", "endpoint")
        or client.text("endpoint_url")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL"),
        use,
    )
    region = (
        options.text("region_name", "region", "default_region")
        or client.text("region_name")
        or parts.config.text("region_name")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
    )
    profile = options.text("profile")
    store = _credentials(parts)
    if not store.keys() & {"access_key_id", "skip_signature"}:
        region = _use_profile(profile, store, use) or region
    store["region"] = region or ("us-east-1" if endpoint else find_region(bucket))
    if is_true(options.take("requester_pays", "request_payer")) | bool(
        parts.extra.take("RequestPayer")
    ):
        store["request_payer"] = True
    store["client_options"], store["retry_config"] = _connection(parts, endpoint)
    if address := _address(parts, endpoint, bucket, store):
        store["endpoint"] = address
    store.update(options.rest(_OWN))
    parts.finish()
    with without_other_credentials("AWS_", store):
        return S3Store(bucket, **store)


def find_region(bucket: str, service: str = "https://s3.amazonaws.com") -> str:
    """Ask AWS in which region a bucket lies; the answer needs no credentials.

    Args:
        bucket: Its name.
        service: The address of S3.

    Returns:
        Its region, or us-east-1 if there is no answer.
    """
    try:
        answer = requests.head(
            f"{service}/{bucket}",
            timeout=_SECONDS_TO_FIND_THE_REGION,
            allow_redirects=False,
            auth=lambda request: request,  # without it, requests takes a password from a netrc file
        )
    except requests.RequestException:
        return "us-east-1"
    return answer.headers.get("x-amz-bucket-region") or "us-east-1"


def _credentials(parts: _Given) -> dict[str, Any]:
    """Take what identifies the caller from the options."""
    options, client = parts.options, parts.client
    found = {
        "access_key_id": options.text("key", "access_key_id", "username")
        or client.text("aws_access_key_id"),
        "secret_access_key": options.text("secret", "secret_access_key", "password")
        or client.text("aws_secret_access_key"),
        "session_token": options.text("token", "session_token") or client.text("aws_session_token"),
    }
    is_anonymous = is_true(options.take("anon", "skip_signature"))
    if is_anonymous or parts.config.take("signature_version") == "unsigned":
        return {"skip_signature": True}
    if bool(found["access_key_id"]) != bool(found["secret_access_key"]):
        raise SettingsError(f"{options.place} needs both key and secret, or neither of them.")
    return {name: value for name, value in found.items() if value}


def _use_profile(name: str | None, store: dict[str, Any], use: Use) -> str | None:
    """Add the credentials of an AWS profile, if one is meant; return its region.

    Raises:
        SettingsError: The profile cannot be used, or there are no credentials at all.
    """
    if not name and os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    if profile := profile_of(name, use):
        store.update(profile.store)
        return profile.region
    is_disabled = is_true(os.environ.get("AWS_EC2_METADATA_DISABLED"))
    if is_disabled and not any(map(os.environ.get, _OTHER_SOURCES)):
        raise SettingsError(
            f"There are no credentials for S3: set key and secret in {use.options}, the usual "
            "ones of AWS (environment, profile, role), or anon for a public bucket."
        )
    return None


def _connection(parts: _Given, endpoint: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return obstore's options for connections and retries, also out of botocore's."""
    connect, retries = client_options(parts.options, endpoint), retry_config(parts.options)
    verify = parts.client.take("verify")
    if verify is False:
        connect["allow_invalid_certificates"] = True
    elif isinstance(verify, str):
        connect["root_certificate"] = certificates(verify, parts.options.use)
    timeouts, most = botocore_config(parts.config)
    connect.update(timeouts)
    proxies = parts.config.mapping("proxies")
    if proxy := proxies.get("https") or proxies.get("http"):
        connect["proxy_url"] = proxy
    if most is not None:
        retries["max_retries"] = most
    parts.options.take("use_ssl")  # the endpoint's scheme says it
    parts.client.take("use_ssl")
    return connect, retries


def _address(parts: _Given, endpoint: str | None, bucket: str, store: dict[str, Any]) -> str | None:
    """Return the endpoint, with the bucket in its host name where that is asked for."""
    style = parts.config.mapping("s3").get("addressing_style")
    own = parts.options.take("virtual_hosted_style_request")
    if style != "virtual" and not is_true(own):
        return endpoint
    store["virtual_hosted_style_request"] = True
    if endpoint is None:
        return None
    url = urlsplit(endpoint)
    if url.netloc.startswith(f"{bucket}."):
        return endpoint
    return endpoint_of(urlunsplit(url._replace(netloc=f"{bucket}.{url.netloc}")), parts.options.use)
