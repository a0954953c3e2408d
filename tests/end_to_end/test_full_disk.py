"""A disk that is full: one line that names the setting, no STATE ahead, and nothing lost.

Each command runs in a mount namespace of its own, with a small disk in memory at one folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.currents_generator import generate
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import (
    STREAM,
    open_record,
    opens,
    record,
    schema,
    settings,
    state,
)


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk"),
]

BIN = Path(sys.executable).parent
WHO = "somebody@example.com"


class Disk:
    """A small disk at `place`, whose files are in `kept` after a command."""

    def __init__(self, folder: Path, size: str) -> None:
        self.place, self.kept, self.size = folder / "disk", folder / "kept", size
        self.place.mkdir()
        self.kept.mkdir()

    def run(self, plugin, config, data=b"", *arguments):
        (self.kept.parent / "config.json").write_text(json.dumps(config))
        command = [
            str(BIN / plugin),
            "--config",
            str(self.kept.parent / "config.json"),
            *arguments,
        ]
        script = (
            f"mount -t tmpfs -o size={self.size} tmpfs {self.place} && "
            f"{{ {shlex.join(command)}; code=$?; cp -r {self.place}/. {self.kept}; exit $code; }}"
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            input=data,
            capture_output=True,
            env={name: text for name, text in os.environ.items() if not name.startswith("TARGET_")},
            timeout=100,
            check=False,
        )
        log = done.stderr.decode()
        assert "Traceback" not in log
        assert "Exception ignored" not in log
        errors = [line for line in log.splitlines() if re.search(r"\bERROR\b", line)]
        assert len(errors) <= 1, log
        return done.returncode, errors[0] if errors else "", done.stdout

    def lines(self, pattern):
        """All whole lines of the files that were kept."""
        return [
            json.loads(line)
            for path in sorted(self.kept.rglob(pattern))
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]


@pytest.fixture
def mixpanel():
    with FakeMixpanel() as server:
        yield server


def rejected(start, end):
    bad = (open_record(number, time=None, note="x" * 200) for number in range(start, end))
    return b"".join(map(record, bad))


def test_dead_letters_on_a_full_disk_hold_what_state_covers(mixpanel, tmp_path):
    disk = Disk(tmp_path, "64k")
    config = settings(mixpanel, tmp_path, dead_letter_path=str(disk.place), max_rejected_ratio=1)
    source = schema() + b"".join(
        rejected(start, start + 50) + opens(1, 10_000 + start) + state(start + 50)
        for start in range(0, 1000, 50)
    )
    code, line, stdout = disk.run("target-mixpanel", config, source)
    assert code == 78
    assert "dead_letter_path" in line
    assert "free space" in line
    covered = max(
        (json.loads(text)["bookmarks"][STREAM] for text in stdout.splitlines()), default=0
    )
    held = {one["record"]["id"] for one in disk.lines("*.jsonl") if one["type"] == "RECORD"}
    assert {f"event-{number}" for number in range(covered)} <= held
    assert covered < 1000


def test_a_dry_run_on_a_full_disk_says_that_its_file_is_not_whole(tmp_path):
    disk = Disk(tmp_path, "64k")
    config = settings(None, tmp_path, dry_run=True, dry_run_path=str(disk.place))
    code, line, stdout = disk.run("target-mixpanel", config, schema() + opens(2000) + state(1))
    assert (code, stdout) == (78, b"")
    assert "dry_run_path" in line


def test_a_report_and_a_summary_on_a_full_disk_fail_no_run(mixpanel, tmp_path):
    disk = Disk(tmp_path, "4k")
    config = settings(
        mixpanel,
        tmp_path,
        report_path=str(disk.place / "report.html"),
        summary_path=str(disk.place / "a" / "b" / "summary.json"),
    )
    code, _, stdout = disk.run("target-mixpanel", config, schema() + opens(30) + state(1))
    assert (code, mixpanel.count) == (0, 30)
    assert json.loads(stdout) == {"bookmarks": {STREAM: 1}}
    assert [path.name for path in disk.kept.rglob("*") if path.is_file()] in ([], ["summary.json"])


def test_a_membership_database_on_a_full_disk_sends_nothing_it_cannot_remember(tmp_path):
    disk = Disk(tmp_path, "256k")
    people = [f"{number:06}{WHO}" for number in range(20_000)]
    with FakeBraze() as braze:
        config = cohorts.settings(braze, tmp_path, membership_db=f"sqlite:///{disk.place}/m.db")
        code, line, stdout = disk.run("target-braze-cohorts", config, cohorts.full({1: people}))
        assert (code, stdout) == (78, b"")
        assert "membership_db" in line
        assert WHO not in line
        # On a disk with room the same input delivers everybody.
        roomy = {**config, "membership_db": f"sqlite:///{tmp_path}/m.db"}
        cohorts.run(braze, tmp_path, cohorts.full({1: people}), **roomy).ok()
        assert braze.members("1") == set(people)


def test_batch_files_on_a_full_disk_hold_what_state_covers(tmp_path):
    generate(tmp_path / "bucket", events=4000, types=["users.messages.email.Open"], hours=20)
    disk = Disk(tmp_path, "128k")
    config = {
        "storage_url": str(tmp_path / "bucket"),
        "settle_seconds": 0,
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "none"},
            "storage": {"root": disk.place.as_uri(), "prefix": ""},
            "batch_size": 50,
        },
    }
    code, line, stdout = disk.run("tap-braze-currents", config)
    assert code == 78
    assert "batch_config" in line
    # What a BATCH message names is there as a whole; STATE covers no more than that.
    named, records = [], 0
    for message in map(json.loads, stdout.splitlines()):
        if message["type"] == "BATCH":
            named += message["manifest"]
    for url in named:
        content = (disk.kept / url.rpartition("/")[2]).read_bytes()
        assert content.endswith(b"\n")
        records += content.count(b"\n")
    assert 0 < records < 4000
    # The next run, with room, goes on from the last STATE and completes the rest.
    states = [json.loads(text) for text in stdout.splitlines() if b'"STATE"' in text]
    last = states[-1]["value"] if states else {}
    (tmp_path / "state.json").write_text(json.dumps(last))
    plain = {name: value for name, value in config.items() if name != "batch_config"}
    arguments = ("--state", str(tmp_path / "state.json"))
    code, _, rest = disk.run("tap-braze-currents", plain, b"", *arguments)
    assert code == 0
    assert records + rest.count(b'"RECORD"') >= 4000
