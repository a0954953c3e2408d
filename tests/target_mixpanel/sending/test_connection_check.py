"""`--check`: good credentials from bad in seconds, and nothing imported."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from braze_mixpanel.clock import Clock
from braze_mixpanel.http import credentials_check as probing
from target_mixpanel.target import TargetMixpanel
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import ImpatientTarget, opens, run, schema, settings

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

TOKEN = {
    "service_account_username": None,
    "service_account_password": None,
    "project_id": None,
    "project_token": "project-token",
}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch) -> None:
    monkeypatch.setattr(probing, "_PAUSE_SECONDS", 0.01)


def try_it(server: FakeMixpanel | None, folder: Path, **changes: Any) -> Result:
    path = folder / "config.json"
    path.write_text(json.dumps(settings(server, folder, **changes)))
    result = CliRunner().invoke(TargetMixpanel.cli, ["--config", str(path), "--check"])
    assert list(folder.iterdir()) == [path]
    return result


@pytest.mark.parametrize(
    ("change", "kind"),
    [({}, "service account account for project 12345"), (TOKEN, "project token")],
)
def test_good_credentials_are_one_line_and_nothing_is_imported(
    mixpanel, tmp_path, change, kind
) -> None:
    result = try_it(mixpanel, tmp_path, **change)
    assert result.exit_code == 0
    assert result.stdout == f"All is well: {mixpanel.url} accepts the {kind}. Nothing was sent.\n"
    assert len(mixpanel.requests) == 1
    assert mixpanel.count == 0


@pytest.mark.parametrize(
    "change",
    [
        {"service_account_password": "wrong-one"},
        {"service_account_password": "“not latin” 😀"},
        {"project_id": "99"},
        {**TOKEN, "project_token": "another"},
    ],
)
def test_bad_credentials_name_the_settings_and_the_region(
    mixpanel, tmp_path, caplog, change
) -> None:
    result = try_it(mixpanel, tmp_path, **change)
    assert result.exit_code == 78
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    message = record.getMessage()
    assert next(iter(name for name, value in change.items() if value)) in message
    assert "region" in message
    assert "wrong-one" not in message
    assert "\n" not in message


@pytest.mark.parametrize("fault", [faults.UNAVAILABLE, faults.TOO_MANY, faults.Close("in_answer")])
def test_a_service_that_is_down_is_asked_twice_and_is_another_exit_code(
    tmp_path, caplog, fault
) -> None:
    with FakeMixpanel(policy=[fault] * 9) as server:
        assert try_it(server, tmp_path).exit_code == 75
        assert server.url in caplog.text


def test_a_hiccup_does_not_matter(tmp_path) -> None:
    with FakeMixpanel(policy=[faults.UNAVAILABLE]) as server:
        assert try_it(server, tmp_path).exit_code == 0


def test_nobody_listening_is_another_exit_code(tmp_path, caplog) -> None:
    assert try_it(None, tmp_path, api_url="http://127.0.0.1:9").exit_code == 75
    assert "http://127.0.0.1:9 cannot be reached" in caplog.text


def test_a_server_without_a_good_certificate_is_reported_as_such(
    mixpanel, tmp_path, caplog
) -> None:
    url = mixpanel.url.replace("http:", "https:")
    assert try_it(None, tmp_path, api_url=url).exit_code == 78
    assert "certificate" in caplog.text


def test_another_service_at_that_address_is_reported(tmp_path, caplog) -> None:
    with FakeMixpanel(policy=[faults.Garbage()]) as server:
        assert try_it(server, tmp_path).exit_code == 78
    assert "api_url" in caplog.text


def test_a_dry_run_without_credentials_has_only_settings_to_check(tmp_path) -> None:
    no_credentials = dict.fromkeys((*TOKEN, "project_id"))
    result = try_it(None, tmp_path, dry_run=True, **no_credentials)
    assert result.exit_code == 0
    assert "dry run" in result.stdout


@pytest.mark.parametrize("minutes", [40, 600])
def test_a_clock_that_is_behind_is_reported_before_anything_is_read(
    mixpanel, tmp_path, minutes
) -> None:
    class BehindTarget(ImpatientTarget):
        clock = Clock(wall=lambda: time.time() - minutes * 60)

    result = run(schema() + opens(3), mixpanel, tmp_path, target_class=BehindTarget)
    assert f"{minutes} minutes behind" in str(result.error)
    assert mixpanel.count == 0
