"""From the tap into target-braze-cohorts: a move from the public tap, and guards over changes."""

from __future__ import annotations

import json

import pytest

from braze_mixpanel.errors import SettingsError
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, inbox, run_tap
from tests.target_braze_cohorts import tap_output
from tests.target_braze_cohorts.harness import by_attribute, run

READERS = [f"user-{user:04}" for user in range(tap_output.MEMBERS[1001])]
VIPS = READERS[:2]


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server


def old_output(*, property_name=None):
    """What the public tap wrote; with the external id in the profiles if a property is named."""
    messages = tap_output.messages()
    for message in messages:
        if property_name and message["type"] == "RECORD" and message["stream"] == "engage":
            message["record"][property_name] = f"b-{message['record']['distinct_id']}"
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def profiles(people):
    return {who: {PROPERTY: f"b-{who}"} for who in people}


def queried(folder, **settings):
    """Read the same project with the new tap: one reader left, one came."""
    with MixpanelQueryApi() as mixpanel:
        for number, people in {1001: [*READERS[1:], "new"], 1002: [], 1003: VIPS}.items():
            mixpanel.put(number, tap_output.NAMES[number], profiles(people))
        return run_tap(folder, {"api_url": mixpanel.url, **mixpanel.account, **settings}).ok()


def pushed(folder, **settings):
    """Read the same project from the inbox."""
    db = f"sqlite:///{folder}/inbox.db"
    with inbox(db) as server:
        sync = CohortSync(server.url, auth=(USER, PASSWORD))
        for number, people in {1001: [*READERS[1:], "new"], 1002: [], 1003: VIPS}.items():
            sync.cohort(number, tap_output.NAMES[number]).people = profiles(people)
            assert sync.run(number)
    return run_tap(folder, {"inbox_db": db, **settings}).ok()


def changed(braze, before):
    writes = braze.writes()[before:]
    return [who for one in writes for who in one.adds], [
        who for one in writes for who in one.removes
    ]


@pytest.mark.parametrize("read", [queried, pushed])
@pytest.mark.parametrize("way", [{}, by_attribute()], ids=["cohort", "attribute"])
def test_who_comes_from_the_public_tap_and_keeps_membership_db_sends_only_the_difference(
    braze, tmp_path, read, way
):
    run(braze, tmp_path, old_output(), **way).ok()
    before = len(braze.writes())
    run(braze, tmp_path, read(tmp_path).output, **way).ok()
    assert changed(braze, before) == (["new"], ["user-0000"])
    before = len(braze.writes())
    run(braze, tmp_path, read(tmp_path).output, **way).ok()
    assert changed(braze, before) == ([], [])


@pytest.mark.parametrize("setting", [PROPERTY, "mp_reserved_braze_external_id"])
@pytest.mark.parametrize("read", [queried, pushed])
def test_it_is_so_too_where_the_external_id_is_a_profile_property(braze, tmp_path, read, setting):
    way = {"external_id_property": setting}
    old = old_output(property_name="mp_reserved_braze_external_id")
    run(braze, tmp_path, old, **way).ok()
    assert braze.members("1003") == {f"b-{who}" for who in VIPS}
    before = len(braze.writes())
    new = read(tmp_path, profile_properties=[PROPERTY])
    run(braze, tmp_path, new.output, **way).ok()
    assert changed(braze, before) == (["b-new"], ["b-user-0000"])


@pytest.mark.parametrize("read", [queried, pushed])
def test_a_move_that_forgets_the_property_names_profile_properties_and_removes_nobody(
    braze, tmp_path, read
):
    way = {"external_id_property": PROPERTY}
    run(braze, tmp_path, old_output(property_name="mp_reserved_braze_external_id"), **way).ok()
    before = len(braze.requests)
    done = run(braze, tmp_path, read(tmp_path).output, **way)
    assert isinstance(done.error, SettingsError)
    assert "Add it to profile_properties of tap-mixpanel-cohorts" in str(done.error)
    assert len(braze.requests) == before


def test_changes_beyond_the_ratio_stop_that_cohort_and_come_again_until_they_are_allowed(
    braze, tmp_path
):
    db = f"sqlite:///{tmp_path}/inbox.db"
    way = {"removal_guard_minimum": 20}
    with inbox(db) as server:
        sync = CohortSync(server.url, auth=(USER, PASSWORD))
        for number in (1, 2):
            sync.cohort(number).people = {who: {} for who in READERS[:40]}
            assert sync.run(number)
        first = run_tap(tmp_path, {"inbox_db": db}).ok()
        run(braze, tmp_path, first.output, **way).ok()
        sync.cohort(1).people = {who: {} for who in READERS[30:42]}
        sync.cohort(2).people = {who: {} for who in READERS[1:41]}
        assert sync.run(1)
        assert sync.run(2)
    second = run_tap(tmp_path, {"inbox_db": db}, first.state).ok()
    assert second.of("cohort_changes")
    assert not second.of("cohort_members")
    stopped = run(braze, tmp_path, second.output, **way)
    assert isinstance(stopped.error, SettingsError)
    assert "1 (would lose 30 of 40: max_removal_ratio 0.3, or allow_removals_for)" in str(
        stopped.error
    )
    assert stopped.stdout == ""  # no STATE: the changes come again
    assert braze.members("1") == set(READERS[:40])
    assert braze.members("2") == set(READERS[1:41])
    run(braze, tmp_path, second.output, **way, allow_removals_for=["Cohort 1"]).ok()
    assert braze.members("1") == set(READERS[30:42])
