"""Which values of secret settings are masked, and where."""

from __future__ import annotations

import io
import logging

import pytest
from singer_sdk.logging import StructuredFormatter

from braze_mixpanel.settings.redaction import RedactingFormatter, redact, secret_values

SCHEMA = {"properties": {"storage_options": {"secret": True}, "endpoint_url": {"secret": True}}}


def masked(**options: object) -> set[str]:
    return secret_values({"storage_options": options}, SCHEMA)


def test_values_that_hold_no_secret_stay_to_be_seen() -> None:
    assert masked(
        key="AKIA1234",
        secret="hunter2hunter2",
        endpoint_url="http://localhost:9000",
        project="my-project",
        client_kwargs={"region_name": "eu-west-1", "aws_session_token": "token"},
        config_kwargs={"s3": {"addressing_style": "path"}, "signature_version": "s3v4"},
    ) == {"AKIA1234", "hunter2hunter2", "token"}


def test_whatever_may_hold_a_secret_is_masked() -> None:
    assert masked(
        endpoint_url="https://user:password@host",
        region={"name": "nested"},
        project=["listed"],
        unheard="of",
        unknown="value",
        client_kwargs={"endpoint_url": "https://host/?sig=abc"},
    ) == {"https://user:password@host", "nested", "listed", "value", "https://host/?sig=abc"}


def test_a_setting_that_is_itself_a_text_is_masked_whatever_its_name() -> None:
    assert secret_values({"endpoint_url": "http://host"}, SCHEMA) == {"http://host"}


def test_a_secret_is_masked_though_a_harmless_value_is_the_same() -> None:
    assert masked(secret="path", addressing_style="path") == {"path"}


@pytest.mark.parametrize("formatter", [None, StructuredFormatter()])
def test_secrets_are_masked_at_any_depth_in_the_lines_of_any_logger(formatter) -> None:
    schema = {"properties": {"options": {"secret": True}, "name": {}}}
    secret = 'hunter2-"secret"'
    secrets = secret_values({"options": {"a": [secret]}, "name": "visible"}, schema)
    assert secrets == {secret}
    assert redact(f"x {secret} y", secrets) == "x (secret) y"
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    handler.setFormatter(RedactingFormatter(formatter, secrets))
    logger = logging.getLogger("somebody else")
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(secret)  # noqa: TRY301
        except ValueError:
            logger.exception("failed with %s", secret)
    finally:
        logger.removeHandler(handler)
    assert "hunter2" not in shown.getvalue()
    assert "failed with (secret)" in shown.getvalue()
    assert "ValueError" in shown.getvalue()
