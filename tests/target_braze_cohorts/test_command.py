"""The installed command, as Meltano starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.fake_braze import API_KEY, DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze, Fault
from tests.target_braze_cohorts import tap_output
from tests.target_braze_cohorts.harness import by_attribute, full, settings

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).parent / "target-braze-cohorts"
SECRETS = (DATA_IMPORT_KEY, PARTNER_API_KEY, API_KEY)


def start(config, folder, *arguments, **environment):
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return subprocess.Popen(
        [COMMAND, "--config", path, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def command(config, folder, *arguments, data=b"", **environment):
    process = start(config, folder, *arguments, **environment)
    stdout, stderr = process.communicate(data, timeout=60)
    return process.returncode, stdout.decode(), stderr.decode()


def test_tap_mixpanels_output_gives_exactly_its_three_cohorts(braze, tmp_path):
    data = b"".join(tap_output.lines())
    code, stdout, stderr = command(settings(braze, tmp_path), tmp_path, data=data)
    assert (code, stdout) == (0, "")
    assert {key: len(braze.members(key)) for key in braze.cohorts} == {
        "1001": 252,
        "1002": 0,
        "1003": 2,
    }
    assert {found.name for found in braze.cohorts.values()} == set(tap_output.NAMES.values())
    assert "Nobody yet" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("at", [0, 1, 100.5, 252.9, 253])
def test_tap_mixpanels_output_cut_among_its_members_removes_nobody(braze, tmp_path, at):
    config = settings(braze, tmp_path)
    lines = tap_output.lines()
    command(config, tmp_path, data=b"".join(lines))
    before = {key: braze.members(key) for key in braze.cohorts}
    begin = next(i for i, text in enumerate(lines) if b'"RECORD", "stream": "cohort_me' in text)
    end = begin + int(at)
    half = lines[end][: int(len(lines[end]) * (at % 1))]
    code, stdout, stderr = command(config, tmp_path, data=b"".join(lines[:end]) + half)
    assert code == (65 if half else 75)
    assert stdout == ""
    assert "Traceback" not in stderr
    assert {key: braze.members(key) for key in braze.cohorts} == before


def test_about_shows_which_settings_are_secret(tmp_path):
    code, stdout, _ = command({}, tmp_path, "--about", "--format", "json")
    about = json.loads(stdout)
    assert code == 0
    assert about["settings"]["properties"]["membership_db"]["secret"]


@pytest.mark.parametrize("way", [{}, by_attribute()])
def test_check_distinguishes_good_credentials_from_bad_and_writes_nothing(braze, tmp_path, way):
    config = settings(braze, tmp_path, **way)
    code, stdout, _ = command(config, tmp_path, "--check")
    assert code == 0
    assert stdout.startswith("All is well")
    key = "api_key" if way else "data_import_key"
    code, _, stderr = command({**config, key: "wrong-key"}, tmp_path, "--check")
    assert code == 78
    assert key in stderr
    code, _, stderr = command(
        {**config, "rest_endpoint": "http://127.0.0.1:9"}, tmp_path, "--check"
    )
    assert code == 75
    assert not braze.writes()
    assert not list(tmp_path.glob("*.db*"))


def test_a_second_run_at_the_same_time_is_refused_in_one_line(braze, tmp_path):
    config = settings(braze, tmp_path)
    first = start(config, tmp_path)
    first.stdin.write(full({1: ["a"]}))
    first.stdin.flush()
    lock = tmp_path / "cohorts.db.lock"
    while not lock.exists():
        assert first.poll() is None
    code, _, stderr = command(config, tmp_path, data=full({1: ["b"]}))
    assert code == 75
    assert "Another run" in stderr
    first.kill()
    first.communicate()
    assert command(config, tmp_path, data=full({1: ["c"]}))[0] == 0
    assert braze.members("1") == {"c"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_request_in_flight(tmp_path, number):
    everybody = [f"u{who:04}" for who in range(3_000)]
    process = None

    def policy(request):
        if len(request.adds) == 1000:
            process.send_signal(number)
        return Fault(503) if len(braze.requests) > 3 else None

    with FakeBraze(policy=policy) as braze:
        config = settings(braze, tmp_path, retry_seconds=600)
        process = start(config, tmp_path)
        _, stderr = process.communicate(full({1: everybody}), timeout=60)
        assert process.returncode == 143
        assert signal.Signals(number).name in stderr.decode()
        assert "Traceback" not in stderr.decode()
        assert len(braze.members("1")) == 1000
        braze.policy = lambda _: None
        command(config, tmp_path, data=full({1: everybody}))
        assert braze.members("1") == set(everybody)


def test_a_signal_while_reading_ends_the_run_with_nothing_sent(braze, tmp_path):
    process = start(settings(braze, tmp_path), tmp_path)
    process.stdin.write(full({1: ["a"]}))
    process.stdin.flush()
    while not (tmp_path / "cohorts.db.lock").exists():
        assert process.poll() is None
    process.terminate()
    process.wait(timeout=60)
    assert process.returncode == 143
    assert b"nothing was sent" in process.stderr.read()
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    assert not braze.requests


@pytest.mark.parametrize("way", [{}, by_attribute()])
@pytest.mark.parametrize("status", [200, 401, 400, 503])
def test_no_output_holds_a_secret_even_when_everything_is_logged(tmp_path, way, status):
    def policy(request):
        probe = request.body.get("cohort_changes") == [] or request.body.get("attributes") == []
        return Fault(status) if status != 200 and (status == 401 or not probe) else None

    with FakeBraze(policy=policy) as braze:
        config = settings(braze, tmp_path, retry_seconds=0, **way)
        outputs = command(
            config,
            tmp_path,
            data=full({1: ["a", None]}),
            TARGET_BRAZE_COHORTS_LOGLEVEL="DEBUG",
            LOGLEVEL="DEBUG",
        )[1:]
    (tmp_path / "config.json").unlink()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    everything = b"".join([*(text.encode() for text in outputs), *written])
    for secret in SECRETS:
        assert secret.encode() not in everything
