"""`--check`: good settings from bad in seconds, and nothing written."""

from __future__ import annotations

import json
import socket
import time

import pytest
from click.testing import CliRunner

from braze_mixpanel.http import credentials_check as probing
from target_braze_cohorts.store import database
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.fakes.fake_braze import BROKEN, FakeBraze, Fault
from tests.target_braze_cohorts.harness import by_attribute, full, run, settings

NO_KEYS = {"data_import_key": None, "partner_api_key": None}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(probing, "_PAUSE_SECONDS", 0.2)


@pytest.fixture
def silent():
    """Give the port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def try_it(braze, folder, target_class=TargetBrazeCohorts, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(settings(braze, folder, **changes)))
    before = sorted(folder.iterdir())
    result = CliRunner().invoke(target_class.cli, ["--config", str(path), "--check"])
    assert sorted(folder.iterdir()) == before
    return result


@pytest.mark.parametrize("way", [{}, by_attribute()])
def test_good_credentials_are_one_line_and_one_request(braze, tmp_path, way):
    result = try_it(braze, tmp_path, **way)
    assert result.exit_code == 0
    assert result.stdout.startswith("All is well")
    assert result.stdout.count("\n") == 1
    assert len(braze.requests) == 1
    assert not braze.writes()


@pytest.mark.parametrize("key", ["wrong-key", "“not latin” 😀"])
def test_bad_credentials_name_the_setting(braze, tmp_path, caplog, key):
    assert try_it(braze, tmp_path, **by_attribute(api_key=key)).exit_code == 78
    assert "Check api_key" in caplog.text
    assert key not in caplog.text


@pytest.mark.parametrize("fault", [Fault(503), Fault(429), BROKEN])
def test_a_service_that_is_down_is_asked_twice_and_is_another_exit_code(tmp_path, caplog, fault):
    with FakeBraze(policy=lambda _: fault) as braze:
        assert try_it(braze, tmp_path).exit_code == 75
        assert braze.url in caplog.text
        assert len(braze.requests) == 2


def test_a_hiccup_does_not_matter(braze, tmp_path):
    faults = iter([Fault(503)])
    braze.policy = lambda _: next(faults, None)
    assert try_it(braze, tmp_path).exit_code == 0


def test_a_service_that_says_nothing_is_not_waited_for(tmp_path, caplog, silent):
    class BrieflyChecked(TargetBrazeCohorts):
        check_timeouts = (0.5, 0.5)

    began = time.monotonic()
    checked = try_it(None, tmp_path, BrieflyChecked, rest_endpoint=f"http://127.0.0.1:{silent}")
    assert checked.exit_code == 75
    assert "cannot be reached" in caplog.text
    assert time.monotonic() - began < 30  # a run would wait a minute


@pytest.mark.parametrize("status", [200, 201, 400])
@pytest.mark.parametrize("way", [{}, by_attribute()])
def test_another_service_at_that_address_is_reported(tmp_path, caplog, way, status):
    with FakeBraze(policy=lambda _: Fault(status, content=b"<html>hello</html>")) as somebody:
        assert try_it(somebody, tmp_path, **way).exit_code == 78
    assert "rest_endpoint" in caplog.text


def test_a_server_without_a_good_certificate_is_reported_as_such(braze, tmp_path, caplog):
    url = braze.url.replace("http:", "https:")
    assert try_it(None, tmp_path, rest_endpoint=url).exit_code == 78
    assert "certificate" in caplog.text
    done = run(None, tmp_path, full({1: ["a"]}), rest_endpoint=url, retry_seconds=600)
    assert "certificate" in str(done.error)


@pytest.mark.parametrize("url", ["https://rest..braze.com", f"https://{'a' * 70}.braze.com"])
def test_an_address_that_cannot_be_is_reported(tmp_path, caplog, url):
    assert try_it(None, tmp_path, rest_endpoint=url).exit_code == 78
    assert url in caplog.text


def test_a_dry_run_without_credentials_has_only_the_rest_to_check(braze, tmp_path):
    result = try_it(braze, tmp_path, dry_run=True, **NO_KEYS)
    assert result.exit_code == 0
    assert "dry run" in result.stdout
    assert not braze.requests


# The database


def test_a_file_that_is_no_database_is_reported(braze, tmp_path, caplog):
    (tmp_path / "cohorts.db").write_text("not a database, but some other file")
    assert try_it(braze, tmp_path).exit_code == 78
    assert "not a SQLite database" in caplog.text


def test_a_database_that_is_there_is_good(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"]})).ok()
    assert try_it(braze, tmp_path).exit_code == 0


@pytest.mark.parametrize("path", ["{}", "{}/no/such/folder/x.db"])
def test_a_place_where_no_file_can_be_is_reported(braze, tmp_path, caplog, path):
    url = "sqlite:///" + path.format(tmp_path)
    assert try_it(braze, tmp_path, membership_db=url).exit_code == 78
    assert "membership_db" in caplog.text


def test_a_database_server_that_says_nothing_is_not_waited_for(
    braze, tmp_path, caplog, silent, monkeypatch
):
    monkeypatch.setattr(database, "_CHECK_SECONDS", 2)  # psycopg's least
    url = f"postgresql://user:hunter22@127.0.0.1:{silent}/x"
    assert try_it(braze, tmp_path, membership_db=url).exit_code == 78
    assert "membership_db" in caplog.text
    assert "hunter22" not in caplog.text
