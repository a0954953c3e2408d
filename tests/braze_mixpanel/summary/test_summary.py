"""`summary_path`: what each plugin says of its run in JSON, however the run ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.braze_mixpanel.files.stores import NO_RETRIES, cloud
from tests.currents_generator import generate
from tests.docs.summary_table import SCHEMA, documented_counts
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.fakes.mixpanel_query_api import MixpanelQueryApi
from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    open_record,
    opens,
    record,
    schema,
    settings,
    state,
)

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
REJECTED = record(open_record(9, time=None))
SOURCE = schema() + opens(3) + REJECTED + state(1)


def start(plugin, folder, config, *arguments):
    (folder / "config.json").write_text(json.dumps(config))
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TARGET_")}
    return subprocess.Popen(
        [BIN / plugin, "--config", folder / "config.json", *arguments],
        cwd=folder,
        env=kept,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process, data=b""):
    """Wait for the end, and return the exit code and the log."""
    _, log = process.communicate(data, timeout=60)
    return process.returncode, log.decode()


class Summaries:
    """Runs a plugin and reads its summary."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "out" / "summary.json"

    def of(self, plugin, config, *arguments, data=b""):
        config = {"summary_path": str(self.path), **config}
        code, self.log = end(start(plugin, self.folder, config, *arguments), data)
        return self.read(code)

    def read(self, code):
        summary = json.loads(self.path.read_text())
        jsonschema.validate(summary, SCHEMA)
        assert summary["exit_code"] == code
        assert list(summary["counts"]) in ([], documented_counts(summary["plugin"]))
        assert summary["started_at"] <= summary["ended_at"]
        return summary


@pytest.fixture
def summaries(tmp_path):
    return Summaries(tmp_path)


@pytest.fixture
def mixpanel():
    with FakeMixpanel() as server:
        yield server


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bucket")
    generate(folder, events=60, types=["users.messages.email.Open"], hours=3)
    return folder


def parts(summary, *names):
    return {name: summary[name] for name in names}


# target-mixpanel


def test_a_run_of_target_mixpanel_says_what_became_of_each_record(summaries, mixpanel, tmp_path):
    config = settings(mixpanel, tmp_path)
    summary = summaries.of("target-mixpanel", config, data=SOURCE)
    assert parts(summary, "outcome", "retry", "cause", "guards", "files_waiting", "plugin") == {
        "outcome": "success",
        "retry": False,
        "cause": None,
        "guards": [],
        "files_waiting": None,
        "plugin": "target-mixpanel",
    }
    assert summary["counts"] == {
        "read": 4,
        "imported": 3,
        "skipped": 0,
        "rejected": 1,
        "not_settled": 0,
        "retries": 0,
    }
    assert summary["reasons"] == [{"outcome": "rejected", "reason": "no time", "records": 1}]
    assert summary["lag_seconds"] is not None
    assert summary["state_covers_until"] == "2026-09-21T14:13:20.000Z"
    assert Path(summary["dead_letter"]).exists()
    assert summaries.path.stat().st_mode & 0o777 == 0o600


def test_state_covers_nothing_after_the_last_state_that_was_written(summaries, mixpanel, tmp_path):
    later = record(open_record(50, time=TIME + 500))
    config = settings(mixpanel, tmp_path, batch_size=1)
    summary = summaries.of("target-mixpanel", config, data=SOURCE + later)
    assert summary["counts"]["imported"] == 4
    assert summary["state_covers_until"] == "2026-09-21T14:13:20.000Z"


def test_a_guard_that_stops_a_run_is_named(summaries, mixpanel, tmp_path):
    bad = b"".join(record(open_record(number, time=None)) for number in range(200))
    config = settings(mixpanel, tmp_path)
    summary = summaries.of("target-mixpanel", config, data=schema() + bad + state(1))
    assert parts(summary, "exit_code", "outcome", "retry") == {
        "exit_code": 65,
        "outcome": "input",
        "retry": False,
    }
    ((guard),) = summary["guards"]
    assert guard["subject"] == "max_rejected_ratio"
    assert guard["message"] == summary["cause"]
    assert summary["state_covers_until"] is None


def test_a_mistake_in_the_settings_is_the_cause_without_a_secret(summaries, mixpanel, tmp_path):
    config = settings(mixpanel, tmp_path, service_account_password=" made-up-password")
    summary = summaries.of("target-mixpanel", config, data=SOURCE)
    assert parts(summary, "exit_code", "outcome", "retry") == {
        "exit_code": 78,
        "outcome": "settings",
        "retry": False,
    }
    assert "service_account_password" in summary["cause"]
    assert "made-up-password" not in summaries.path.read_text()
    assert summary["counts"] == {
        "read": 0,
        "imported": 0,
        "skipped": 0,
        "rejected": 0,
        "not_settled": 0,
        "retries": 0,
    }


def test_a_service_that_fails_asks_for_a_retry(summaries, tmp_path):
    with FakeMixpanel() as server:
        config = settings(server, tmp_path, retry_seconds=0)
    summary = summaries.of("target-mixpanel", config, data=SOURCE)
    assert parts(summary, "exit_code", "outcome", "retry") == {
        "exit_code": 75,
        "outcome": "temporary",
        "retry": True,
    }
    assert summary["cause"]
    assert "\n" not in summary["cause"]
    last = summaries.log.splitlines()[-1]  # the cause, also where a summary is written
    assert "ERROR" in last
    assert summary["cause"][:100] in last


def test_sigterm_leaves_a_summary_too(summaries, mixpanel, tmp_path):
    config = settings(mixpanel, tmp_path, summary_path=str(summaries.path), batch_size=1)
    process = start("target-mixpanel", tmp_path, config)
    process.stdin.write(schema() + opens(3) + state(1))
    process.stdin.flush()
    assert process.stdout.readline()  # STATE: the run is under way
    process.send_signal(signal.SIGTERM)
    code, _ = end(process)
    summary = summaries.read(code)
    assert parts(summary, "exit_code", "outcome", "retry") == {
        "exit_code": 143,
        "outcome": "stopped",
        "retry": True,
    }
    assert summary["counts"]["imported"] == 3


def test_an_unforeseen_error_leaves_a_summary_too(summaries, mixpanel, tmp_path):
    code = (
        "from target_mixpanel.target import TargetMixpanel as T\n"
        "def fail(self): raise ZeroDivisionError('of a person')\n"
        "T.begin = fail\n"
        "T.cli()\n"
    )
    config = settings(mixpanel, tmp_path, summary_path=str(summaries.path))
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", code, "--config", str(tmp_path / "config.json")]
    done = subprocess.run(command, input=SOURCE, capture_output=True, check=False)
    summary = summaries.read(done.returncode)
    assert (done.returncode, summary["outcome"]) == (1, "unforeseen")
    assert "ZeroDivisionError" in summary["cause"]
    assert "of a person" not in summary["cause"]


def test_a_dry_run_says_so(summaries, tmp_path):
    config = settings(None, tmp_path, dry_run=True)
    summary = summaries.of("target-mixpanel", config, data=SOURCE)
    assert summary["dry_run"] is True
    assert summary["counts"]["imported"] == 3
    assert summary["state_covers_until"] is None


def test_a_summary_that_cannot_be_written_is_a_warning(mixpanel, tmp_path):
    with cloud() as place:
        changes = {"summary_path": "s3://nobodys/summary.json"}
        options = {**place.options, **NO_RETRIES}
        config = settings(mixpanel, tmp_path, **changes, path_options=options)
        code, log = end(start("target-mixpanel", tmp_path, config), SOURCE)
    assert code == 0
    assert "No summary was written" in log
    assert mixpanel.count == 3


def test_a_summary_goes_to_a_store(mixpanel, tmp_path):
    with cloud() as place:
        url = f"{place.url}/summary.json"
        config = settings(mixpanel, tmp_path, summary_path=url, path_options=place.options)
        assert end(start("target-mixpanel", tmp_path, config), SOURCE)[0] == 0
        assert json.loads(place.objects["dead/summary.json"])["counts"]["imported"] == 3


@pytest.mark.parametrize("url", ["http://x/summary.json", "s3:/x", "s3://bucket", "."])
def test_a_place_that_cannot_hold_a_summary_is_a_mistake_in_the_settings(mixpanel, tmp_path, url):
    config = settings(mixpanel, tmp_path, summary_path=url)
    code, log = end(start("target-mixpanel", tmp_path, config), SOURCE)
    assert code == 78
    assert "summary_path" in log
    assert mixpanel.count == 0


@pytest.mark.parametrize("option", ["--about", "--version", "--check"])
def test_a_command_that_only_asks_writes_no_summary(option, summaries, mixpanel, tmp_path):
    config = settings(mixpanel, tmp_path, summary_path=str(summaries.path))
    end(start("target-mixpanel", tmp_path, config, option))
    assert not summaries.path.exists()


# tap-braze-currents


def test_a_run_of_the_currents_tap_says_what_was_read_and_what_waits(summaries, bucket, tmp_path):
    config = {"storage_url": str(bucket), "settle_seconds": 0, "max_files_per_run": 2}
    summary = summaries.of("tap-braze-currents", config)
    assert summary["outcome"] == "success"
    counts = summary["counts"]
    assert (counts["files"], counts["unreadable_files"]) == (2, 0)
    assert 0 < counts["records"] < 60
    assert summary["files_waiting"] == 1
    assert summary["lag_seconds"] is not None
    assert summary["state_covers_until"].endswith(":00:00.000Z")


def test_a_broken_file_is_in_the_summary(summaries, bucket, tmp_path):
    folder = next(bucket.rglob("*.avro")).parent
    (folder / "zzz.avro").write_bytes(b"Obj\x01broken")
    try:
        config = {"storage_url": str(bucket), "settle_seconds": 0}
        summary = summaries.of("tap-braze-currents", config)
    finally:
        (folder / "zzz.avro").unlink()
    assert (summary["exit_code"], summary["counts"]["unreadable_files"]) == (65, 1)
    assert "zzz.avro" in summary["cause"]
    assert summary["counts"]["records"] == 60


def test_a_discovery_is_no_run(summaries, bucket, tmp_path):
    config = {"storage_url": str(bucket), "summary_path": str(summaries.path)}
    assert end(start("tap-braze-currents", tmp_path, config, "--discover"))[0] == 0
    assert not summaries.path.exists()
    wrong = {**config, "start_date": "yesterday"}
    summary = summaries.of("tap-braze-currents", wrong)
    assert summary["exit_code"] == 78
    assert "start_date" in summary["cause"]


# The cohort plugins


def test_a_run_of_the_cohort_tap_counts_cohorts_and_members(summaries, tmp_path):
    with MixpanelQueryApi() as server:
        server.put(1000, "VIP", ["a", "b", "c"])
        server.put(1001, "Others", ["d"])
        config = {"api_url": server.url, **server.account}
        summary = summaries.of("tap-mixpanel-cohorts", config)
    assert summary["outcome"] == "success"
    assert summary["counts"] == {
        "cohorts": 2,
        "members": 4,
        "incomplete_cohorts": 0,
        "requests": 3,
    }
    assert summary["started_at"] <= summary["state_covers_until"] <= summary["ended_at"]


def test_a_run_of_the_cohort_target_names_the_cohorts_that_a_guard_stopped(
    summaries, braze, tmp_path
):
    config = cohorts.settings(braze, tmp_path)
    people = [f"u{number}" for number in range(10)]
    full = summaries.of("target-braze-cohorts", config, data=cohorts.full({1: people}))
    assert (full["outcome"], full["counts"]["added"]) == ("success", 10)
    assert full["started_at"] <= full["state_covers_until"]
    few = cohorts.full({1: people[:2]})
    stopped = summaries.of("target-braze-cohorts", config, data=few)
    assert (stopped["exit_code"], stopped["state_covers_until"]) == (78, None)
    assert [guard["subject"] for guard in stopped["guards"]] == ["1"]
    assert (stopped["counts"]["to_remove"], stopped["counts"]["removed"]) == (8, 0)


def test_every_plugin_has_the_same_fields(summaries, mixpanel, braze, bucket, tmp_path):
    nobody = {"api_url": "http://127.0.0.1:9", "retry_seconds": 0, "api_secret": "made-up-secret"}
    runs = [
        summaries.of("target-mixpanel", settings(mixpanel, tmp_path), data=SOURCE),
        summaries.of("target-braze-cohorts", cohorts.settings(braze, tmp_path)),
        summaries.of("tap-braze-currents", {"storage_url": str(bucket)}),
        summaries.of("tap-mixpanel-cohorts", nobody),
    ]
    assert len({tuple(summary) for summary in runs}) == 1
    assert {summary["version"] for summary in runs} == {1}
    assert STREAM not in json.dumps(runs[0]["counts"])


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        ("target-mixpanel", {"region": "mars"}),
        ("target-mixpanel", {"no_such_setting": 1}),
        ("target-mixpanel", {"dry_run": "perhaps"}),
        ("target-braze-cohorts", {}),
        ("target-braze-cohorts", {"dry_run": "perhaps"}),
        ("tap-braze-currents", {}),
        ("tap-braze-currents", {"storage_url": "s3://"}),
        ("tap-mixpanel-cohorts", {}),
    ],
)
def test_wrong_settings_of_any_kind_leave_a_summary(plugin, config, summaries):
    summary = summaries.of(plugin, config)
    assert (summary["plugin"], summary["outcome"]) == (plugin, "settings")
    assert summary["cause"]
    assert summary["dry_run"] is False
