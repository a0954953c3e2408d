"""The command: signals, `--state`, `--catalog`, `--test`."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from braze_mixpanel.errors import SettingsError, StoppedError
from tests.tap_braze_currents.conftest import catalog_of, make_tap
from tests.tap_braze_currents.planning.small_files import (
    CATALOG,
    CUSTOM,
    STREAM,
    TAP,
    put,
)


def test_a_signal_before_anything_was_read_ends_the_run_at_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    put(tmp_path, 0)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    listed = threading.Event()

    def ls(*_args, **_options):
        listed.set()
        tap.handle_signal(15)

    tap.bucket.store.list_folder = ls
    with pytest.raises(StoppedError, match="before anything was read"):
        tap.sync_all()

    assert listed.is_set()


def command(folder, *arguments, bucket=None, stdin=""):
    config = folder / "config.json"
    config.write_text(json.dumps({"storage_url": str(bucket or folder), "settle_seconds": 0}))
    program = Path(sys.executable).parent / "tap-braze-currents"
    argv = [program, "--config", config, *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)


def test_a_state_is_read_from_a_pipe_like_from_a_file(tmp_path, run_tap):
    bucket = tmp_path / "bucket"
    put(bucket, 0)
    state = json.dumps(run_tap(bucket, tap_class=TAP, catalog=CATALOG).state)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(CATALOG))

    arguments = ["--catalog", catalog, "--state", "/dev/stdin"]
    done = command(tmp_path, *arguments, bucket=bucket, stdin=state)

    assert done.returncode == 0
    assert '"RECORD"' not in done.stdout


@pytest.mark.parametrize("content", ["[", "[]"])
@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_a_state_or_catalog_that_is_no_json_object_is_reported(tmp_path, option, content):
    path = tmp_path / "given.json"
    path.write_text(content)

    done = command(tmp_path, option, path)

    assert done.returncode == SettingsError.exit_code
    assert f"{option} {path} is not a JSON object" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_test_run_keeps_to_the_catalog(tmp_path):
    put(tmp_path, 0)
    put(tmp_path, 0, event_type=CUSTOM)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(STREAM, only=["id"])))

    done = command(tmp_path, "--test", "--catalog", catalog)

    assert done.stdout == ""
    _, _, table = done.stderr.partition("1 of 1 selected streams have files:\n")
    assert [line.split()[0] for line in table.splitlines()[:2]] == ["stream", STREAM]
    assert CUSTOM not in done.stderr


def test_a_test_run_of_every_type_prints_a_short_table_and_no_records(tmp_path):
    done = command(tmp_path, "--test", bucket=Path(__file__).parents[2] / "sample_bucket")

    assert (done.returncode, done.stdout) == (0, "")
    assert len(done.stderr.splitlines()) < 120
    assert len(done.stderr) < 9_000


@pytest.mark.parametrize(
    ("option", "content"), [("--state", b'{"bookmarks": {}}'), ("--catalog", b'{"streams": []}')]
)
def test_a_state_or_catalog_can_come_through_a_pipe(tmp_path, option, content):
    command = [sys.executable, "-m", "tap_braze_currents", "--discover", option, "/dev/stdin"]
    (tmp_path / "config.json").write_text(json.dumps({"storage_url": str(tmp_path)}))
    command += ["--config", str(tmp_path / "config.json")]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
