"""Numbers and switches of a connection to a store: used as meant, or refused by their name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.place_settings import find_place_problem
from braze_mixpanel.stores.connection import client_options, retry_config
from braze_mixpanel.stores.options import Options, seconds_of
from braze_mixpanel.stores.use import Use
from tap_braze_currents.bucket.store import Bucket
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.target import TargetMixpanel

USE = Use("dead_letter_path", "path_options", writes=True)
NO_DURATION = [-1, 0, "0", "-5", "x", "", "inf", float("inf"), float("nan"), True, [1], {}, 1e12]
NO_COUNT = [-1, "x", "", 1.5, float("inf"), float("nan"), True, [1], {}, 10**30]
NO_SWITCH = ["maybe", 2, [True], {}]
WRONG: list[tuple[dict[str, Any], str]] = [
    *(
        ({"client_options": {name: value}}, f"client_options.{name} must be a number of seconds")
        for name in ("timeout", "connect_timeout", "read_timeout")
        for value in NO_DURATION
    ),
    *(
        ({"config_kwargs": {name: value}}, f"config_kwargs.{name} must be a number of seconds")
        for name in ("connect_timeout", "read_timeout")
        for value in NO_DURATION
    ),
    *(
        ({"retry_config": {"max_retries": value}}, "retry_config.max_retries must be a whole")
        for value in NO_COUNT
    ),
    *(
        (
            {"config_kwargs": {"retries": {"max_attempts": value}}},
            "config_kwargs.retries.max_attempts must be a whole number",
        )
        for value in NO_COUNT
    ),
    *(
        ({"retry_config": {"retry_timeout": value}}, "retry_config.retry_timeout must be a number")
        for value in NO_DURATION
        if value not in (0, "0")
    ),
    *(
        (
            {"retry_config": {"backoff": {name: value}}},
            f"retry_config.backoff.{name} must be a number",
        )
        for name in ("init_backoff", "max_backoff", "base")
        for value in (-1, "x", float("inf"), float("nan"), [1])
    ),
    *(
        ({"client_options": {"pool_max_idle_per_host": value}}, "pool_max_idle_per_host must be a")
        for value in NO_COUNT
    ),
    *(
        ({"client_options": {name: value}}, f"client_options.{name} must be true or false")
        for name in ("allow_http", "allow_invalid_certificates", "http1_only", "http2_only")
        for value in NO_SWITCH
    ),
    *(
        ({"client_options": {name: 5}}, f"client_options.{name} must be a text")
        for name in ("proxy_url", "user_agent", "root_certificate")
    ),
    ({"client_options": 30}, "client_options must be an object"),
    ({"retry_config": 3}, "retry_config must be an object"),
    ({"retry_config": {"backoff": 3}}, "retry_config.backoff must be an object"),
    ({"config_kwargs": {"retries": 3}}, "config_kwargs.retries must be an object"),
]
KEYS = {
    "s3": {"key": "AKIA", "secret": "topsecret", "region_name": "us-east-1"},
    "gs": {"token": "anon"},
    "az": {"account_name": "a", "anon": True},
}


@pytest.mark.parametrize(("options", "said"), WRONG, ids=str)
def test_what_cannot_be_used_is_named_before_anything_is_opened(options, said) -> None:
    given = {"dead_letter_path": "s3://bucket/dead", "path_options": {**KEYS["s3"], **options}}
    problem = find_place_problem("dead_letter_path", given)
    assert problem is not None
    assert problem.startswith("Setting path_options.")
    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize("scheme", KEYS)
@pytest.mark.parametrize("value", NO_DURATION, ids=str)
def test_the_tap_names_a_timeout_that_cannot_be_used(scheme, value) -> None:
    options = {**KEYS[scheme], "client_options": {"timeout": value}}
    with pytest.raises(SettingsError, match=r"^storage_options.client_options.timeout must be a"):
        Bucket(f"{scheme}://bucket/prefix", options).folders()


@pytest.mark.parametrize("name", ["timeout", "requests_timeout"])
@pytest.mark.parametrize("value", NO_DURATION, ids=str)
def test_the_timeout_of_google_is_named(name, value) -> None:
    with pytest.raises(SettingsError, match=f"^storage_options.{name} must be a number of seconds"):
        Bucket("gs://bucket/prefix", {"token": "anon", name: value}).folders()


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        (TargetMixpanel, {"project_token": "t"}),
        (TargetBrazeCohorts, {"rest_endpoint": "https://rest.example.com", "api_key": "k" * 20}),
    ],
)
def test_a_target_refuses_such_settings_before_it_reads(target, settings, tmp_path, caplog) -> None:
    options = {**KEYS["s3"], "client_options": {"timeout": -1}}
    places = {"dead_letter_path": "s3://bucket/dead", "path_options": options}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**settings, **places}))
    result = CliRunner().invoke(target.cli, ["--config", str(path)], input="")
    assert result.exit_code == 78
    errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert any("path_options.client_options.timeout must be" in error for error in errors)
    assert not any("topsecret" in error for error in errors)


def test_durations_are_taken_in_each_writing() -> None:
    given = {"timeout": 30, "connect_timeout": "2.5", "read_timeout": "1min 30s"}
    found = client_options(Options({"client_options": given}, (), USE), None)
    assert [found[name].total_seconds() for name in given] == [30, 2.5, 90]
    assert seconds_of("2h 37min") == 2 * 3600 + 37 * 60
    assert seconds_of("32ms") == 0.032
    assert seconds_of("1 fortnight") is None


def test_numbers_of_retries_are_taken_in_each_writing() -> None:
    given = {"max_retries": "0", "retry_timeout": 0, "backoff": {"base": 3, "max_backoff": "5s"}}
    found = retry_config(Options({"retry_config": given}, (), USE))
    assert (found["max_retries"], found["retry_timeout"]) == (0, timedelta(0))
    assert found["backoff"]["base"] == 3
    assert found["backoff"]["max_backoff"] == timedelta(seconds=5)
    assert found["backoff"]["init_backoff"] == timedelta(seconds=0.1)
