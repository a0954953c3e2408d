"""Currents files in, exactly the expected events in Mixpanel: the installed commands together."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from braze_mixpanel.errors import InputError
from target_mixpanel.mapping.currents import documented_mapping
from tests.currents_generator import CURRENT, OLDER, event_types, generate
from tests.end_to_end.project import Project, events_expected, events_held, pipe
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import settings

pytestmark = pytest.mark.slow
ALL_TYPES = list(event_types())


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    return generate(
        tmp_path_factory.mktemp("bucket"),
        events=3000,
        types=ALL_TYPES,
        versions=(CURRENT, *OLDER),
        hours=3,
        events_per_file=40,
    )


@pytest.fixture
def server():
    with FakeMixpanel() as running:
        yield running


def test_through_a_pipe_mixpanel_holds_exactly_the_expected_events(
    bucket, server, tmp_path
) -> None:
    tap = {"storage_url": str(bucket.root), "settle_seconds": 0}
    result, tap_code = pipe(tap, settings(server, tmp_path), tmp_path)
    assert (result.returncode, tap_code) == (0, 0), result.stderr.decode()
    assert events_held(server) == events_expected(bucket)
    assert len(server.names()) > len(documented_mapping()) * 0.8
    assert json.loads(result.stdout.splitlines()[-1])["bookmarks"]


def test_it_stays_exact_when_mixpanel_limits_and_breaks(bucket, server, tmp_path) -> None:
    server.policy = [None] + [faults.Close("after_storing"), None, faults.SERVER_ERROR] * 1
    tap = {"storage_url": str(bucket.root), "settle_seconds": 0}
    result, _ = pipe(tap, settings(server, tmp_path, batch_size=500), tmp_path)
    assert result.returncode == 0, result.stderr.decode()
    assert events_held(server) == events_expected(bucket)


def test_batch_messages_bring_the_same_events(bucket, server, tmp_path) -> None:
    tap = {
        "storage_url": str(bucket.root),
        "settle_seconds": 0,
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": (tmp_path / "batches").as_uri()},
        },
    }
    result, tap_code = pipe(tap, settings(server, tmp_path), tmp_path)
    assert (result.returncode, tap_code) == (0, 0), result.stderr.decode()
    assert events_held(server) == events_expected(bucket)


def test_a_broken_file_costs_only_itself(server, tmp_path) -> None:
    small = generate(tmp_path / "bucket", events=60, types=3, hours=2, events_per_file=15)
    broken = small.files.pop()
    path = small.root / broken.key
    path.write_bytes(path.read_bytes()[:-40])
    tap = {"storage_url": str(small.root), "settle_seconds": 0}
    result, tap_code = pipe(tap, settings(server, tmp_path), tmp_path)
    assert result.returncode == 0
    assert tap_code == InputError.exit_code
    assert Path(broken.key).name in (tmp_path / "tap.log").read_text()
    assert set(events_expected(small)) <= set(events_held(server))


def test_meltano_run_delivers_once_and_the_second_run_reads_only_what_is_new(
    bucket, server, tmp_path
) -> None:
    project = Project.make(tmp_path / "project", server)
    copy = shutil.copytree(bucket.root, tmp_path / "bucket")
    run = ("run", "tap-braze-currents", "target-mixpanel")
    first = project.meltano(*run, TAP_BRAZE_CURRENTS_STORAGE_URL=str(copy))
    assert first.returncode == 0, first.stderr
    assert events_held(server) == events_expected(bucket)
    assert "Email Open" in first.stderr

    accepted = server.accepted
    second = project.meltano(*run, TAP_BRAZE_CURRENTS_STORAGE_URL=str(copy))
    assert second.returncode == 0, second.stderr
    assert server.accepted == accepted

    more = generate(
        tmp_path / "more",
        events=50,
        types=["users.messages.email.Open"],
        seed="more",
        hours=1,
        duplicates=0,
    )
    for file in more.files:
        target = copy / file.key.replace("+0+", "+7+")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((more.root / file.key).read_bytes())
    third = project.meltano(*run, TAP_BRAZE_CURRENTS_STORAGE_URL=str(copy))
    assert third.returncode == 0, third.stderr
    assert server.accepted - accepted == len(events_expected(more))
    assert set(events_expected(more)) <= set(events_held(server))
    state = sqlite3.connect(project.folder / ".meltano" / "meltano.db")
    try:
        (stored,) = state.execute("select count(*) from state").fetchone()
    finally:
        state.close()
    assert stored == 1


def test_meltano_select_takes_just_the_chosen_streams_and_fields(bucket, server, tmp_path) -> None:
    project = Project.make(tmp_path / "project", server)
    for arguments in (
        ("users_messages_email_*", "*"),
        ("--exclude", "users_messages_email_open", "campaign_name"),
    ):
        chosen = project.meltano("select", "tap-braze-currents", *arguments)
        assert chosen.returncode == 0, chosen.stderr
    result = project.meltano(
        "run",
        "tap-braze-currents",
        "target-mixpanel",
        TAP_BRAZE_CURRENTS_STORAGE_URL=str(bucket.root),
    )
    assert result.returncode == 0, result.stderr
    expected = {
        key: event
        for key, event in events_expected(bucket).items()
        if event["event"].startswith("Email ")
    }
    for event in expected.values():
        if event["event"] == "Email Open":
            event["properties"].pop("campaign_name", None)
    assert events_held(server) == expected != {}


def test_a_run_that_fails_in_mixpanel_leaves_meltano_failing_and_nothing_lost(
    bucket, server, tmp_path
) -> None:
    project = Project.make(tmp_path / "project", server)
    storage = {"TAP_BRAZE_CURRENTS_STORAGE_URL": str(bucket.root)}
    server.policy = [None, None, faults.Answer(403)]
    small = {"TARGET_MIXPANEL_BATCH_SIZE": "300", "TARGET_MIXPANEL_CONCURRENCY": "1"}
    run = ("run", "tap-braze-currents", "target-mixpanel")
    failed = project.meltano(*run, **storage, **small)
    assert failed.returncode != 0
    assert "service_account_password" in failed.stderr
    assert "account-secret" not in failed.stderr
    server.policy = ()
    assert project.meltano(*run, **storage).returncode == 0
    assert events_held(server) == events_expected(bucket)
