"""From Mixpanel's sync through the inbox to the tap's output."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.fakes.mixpanel_cohort_sync import ANSWER_LOST, LOST, TWICE, CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, apply, inbox, run_tap


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path}/inbox.db"


@pytest.fixture
def server(db):
    with inbox(db) as process:
        yield process


def people(*names):
    return {name: {PROPERTY: f"b-{name}"} for name in names}


def sync_to(server, **options):
    return CohortSync(server.url, auth=(USER, PASSWORD), **options)


def config(db, **more):
    return {"inbox_db": db, "profile_properties": [PROPERTY], **more}


@pytest.mark.parametrize("action", ["members", "add_members"])
@pytest.mark.parametrize("ids_as_text", [True, False])
def test_a_first_sync_is_a_complete_list_with_its_record_after_the_members(
    server, db, tmp_path, action, ids_as_text
):
    sync = sync_to(server, first_action=action, ids_as_text=ids_as_text, at_once=4)
    sync.cohort(1000, "VIP").people = people(*(f"u{number}" for number in range(2500)))
    assert sync.run(1000)
    done = run_tap(tmp_path, config(db)).ok()
    assert len(done.of("cohort_members")) == 2500
    assert done.of("cohort_members")[0] == {
        "cohort_id": 1000,
        "distinct_id": "u0",
        PROPERTY: "b-u0",
    }
    (cohort,) = done.of("cohorts")
    assert (cohort["id"], cohort["name"], cohort["count"]) == (1000, "VIP", 2500)
    assert [message.get("stream", "STATE") for message in done.messages[-2:]] == [
        "cohorts",
        "STATE",
    ]


def test_later_syncs_are_net_changes_and_nothing_new_is_no_record(server, db, tmp_path):
    sync = sync_to(server)
    cohort = sync.cohort(1)
    cohort.people = people("a", "b", "c")
    sync.run(1)
    first = run_tap(tmp_path, config(db)).ok()
    cohort.people = people("b", "c", "d")
    sync.run(1)
    cohort.people = people("c", "d", "e")
    sync.run(1)
    second = run_tap(tmp_path, config(db), first.state).ok()
    assert not second.of("cohort_members")
    assert {(r["distinct_id"], r["should_remove"]) for r in second.of("cohort_changes")} == {
        ("a", True),
        ("b", True),
        ("d", False),
        ("e", False),
    }
    assert all(record[PROPERTY] for record in second.of("cohort_changes"))
    sync.run(1)
    third = run_tap(tmp_path, config(db), second.state).ok()
    assert third.records == 0
    assert third.state == second.state


def test_without_state_every_complete_cohort_comes_as_a_list(server, db, tmp_path):
    sync = sync_to(server)
    for number in (1, 2):
        sync.cohort(number).people = people("a", "b")
        sync.run(number)
    sync.cohort(1).people = people("b", "c")
    sync.run(1)
    known = {}
    apply(run_tap(tmp_path, config(db)).ok(), known)
    assert known == {1: {"b", "c"}, 2: {"a", "b"}}


def test_a_rename_is_a_cohort_record_alone(server, db, tmp_path):
    sync = sync_to(server)
    sync.cohort(1, "old").people = people("a")
    sync.run(1)
    first = run_tap(tmp_path, config(db)).ok()
    sync.cohort(1).name = "new"
    sync.run(1)
    second = run_tap(tmp_path, config(db), first.state).ok()
    assert [record["name"] for record in second.of("cohorts")] == ["new"]
    assert second.records == 1


def test_an_incomplete_list_counts_for_nothing_until_the_sync_starts_over(server, db, tmp_path):
    sync = sync_to(server)
    sync.cohort(1).people = people(*(f"u{number}" for number in range(3000)))
    sync.fault = lambda call, _: (
        LOST if call.body["parameters"]["page_info"]["page_count"] == 2 else None
    )
    assert not sync.run(1)
    assert run_tap(tmp_path, config(db)).ok().records == 0
    sync.fault = lambda _call, number: (LOST, TWICE)[number] if number < 2 else None
    assert sync.run(1)
    assert len(run_tap(tmp_path, config(db)).ok().of("cohort_members")) == 3000


def test_a_part_of_an_export_that_failed_is_undone_by_the_next_one(server, db, tmp_path):
    sync = sync_to(server)
    cohort = sync.cohort(1)
    cohort.people = people("a", "b")
    sync.run(1)
    known = {}
    first = run_tap(tmp_path, config(db)).ok()
    apply(first, known)
    cohort.people = people("a", "b", "x", "y")
    sync.fault = lambda _call, _number: ANSWER_LOST
    assert not sync.run(1)
    second = run_tap(tmp_path, config(db), first.state).ok()
    apply(second, known)
    cohort.people = people("a", "b", "y")
    sync.fault = lambda _call, _number: None
    assert sync.run(1)
    apply(run_tap(tmp_path, config(db), second.state).ok(), known)
    assert known == {1: {"a", "b", "y"}}


def test_a_lost_snapshot_brings_the_complete_list_again(server, db, tmp_path):
    sync = sync_to(server)
    sync.cohort(1).people = people("a", "b")
    sync.run(1)
    first = run_tap(tmp_path, config(db)).ok()
    sync.cohort(1).people = people("c")
    sync.lose_snapshot(1)
    sync.run(1)
    second = run_tap(tmp_path, config(db), first.state).ok()
    assert [record["distinct_id"] for record in second.of("cohort_members")] == ["c"]
    assert second.of("cohorts")[0]["count"] == 1


def test_a_cohort_that_was_not_chosen_before_comes_as_a_list(server, db, tmp_path):
    sync = sync_to(server)
    for number in (1, 2):
        sync.cohort(number).people = people("a")
        sync.run(number)
    first = run_tap(tmp_path, config(db, cohorts=[1])).ok()
    assert [record["id"] for record in first.of("cohorts")] == [1]
    second = run_tap(tmp_path, config(db, cohorts=["1", "Cohort 2"]), first.state).ok()
    assert [record["id"] for record in second.of("cohorts")] == [2]
    assert second.of("cohorts")[0]["count"] == 1


def test_state_never_says_more_than_is_out(server, db, tmp_path):
    sync = sync_to(server)
    for number in (1, 2, 3):
        sync.cohort(number).people = people("a", "b")
        assert sync.run(number)
    state, sequence = None, 0
    for newcomer in ("c", "d"):  # first as lists, then as changes
        done = run_tap(tmp_path, config(db), state).ok()
        cohorts_out = 0
        for message in done.messages:
            if message["type"] == "RECORD":
                cohorts_out += message["stream"] == "cohorts"
            elif message["type"] == "STATE":
                progress = message["value"]["bookmarks"]["cohorts"]
                has_passed_all = progress["sequence"] != sequence
                assert (3 if has_passed_all else len(progress["ahead"])) == cohorts_out
        assert cohorts_out == 3
        state, sequence = done.state, progress["sequence"]
        for number in (1, 2, 3):
            sync.cohort(number).people[newcomer] = {}
            assert sync.run(number)


def test_a_full_refresh_gives_every_complete_list_and_names_the_others(server, db, tmp_path):
    sync = sync_to(server, page_size=2)
    sync.cohort(1, "Whole").people = people("a", "b")
    sync.cohort(2, "Changes").people = people("c", "d")
    sync.cohort(3, "Coming").people = people(*"efghi")
    sync.cohort(2).snapshot = people("d", "e")  # what came before is not in this inbox
    assert sync.run(1)
    assert sync.run(2)
    sync.fault = lambda call, _: (
        LOST if call.body["parameters"]["page_info"]["page_count"] == 3 else None
    )
    assert not sync.run(3)
    first = run_tap(tmp_path, config(db)).ok()
    assert run_tap(tmp_path, config(db), first.state).ok().records == 0
    again = run_tap(tmp_path, config(db)).ok()
    for done in (first, again):
        assert {record["cohort_id"] for record in done.of("cohort_members")} == {1}
        assert [(one["id"], one["count"]) for one in done.of("cohorts")] == [(1, 2), (2, None)]
        assert (
            "Cohort 2 (Changes) comes as changes: the inbox has not received its complete list"
            in done.log
        )
        assert "Cohort 3 (Coming) is not sent yet: 2 of 3 pages" in done.log
        assert "The inbox knows 2 cohorts; 2 have news." in done.log


def test_state_of_another_inbox_starts_over(server, db, tmp_path):
    sync = sync_to(server)
    sync.cohort(1).people = people("a")
    sync.run(1)
    first = run_tap(tmp_path, config(db)).ok()
    first.state["bookmarks"]["cohorts"]["inbox"] = "another"
    again = run_tap(tmp_path, config(db), first.state).ok()
    assert "another inbox" in again.log
    assert again.of("cohort_members")


def test_nothing_of_a_person_but_the_chosen_is_stored_or_logged(server, db, tmp_path):
    sync = sync_to(server)
    sync.cohort(1).people = people("a", "b")
    sync.run(1)
    sync.cohort(1).people = people("b")
    sync.run(1)
    done = run_tap(tmp_path, config(db)).ok()
    server.stop()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("inbox.db*"))
    assert b"b-a" in stored
    for text in (stored.decode("latin-1"), "".join(server.log), done.log, str(done.messages)):
        assert "marker" not in text.lower()
        assert PASSWORD not in text


def test_an_inbox_that_is_not_there_is_one_line(tmp_path):
    done = run_tap(tmp_path, config(f"sqlite:///{tmp_path}/none.db"))
    assert done.code == 78
    assert "there is no file" in done.error
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_an_inbox_is_one_line(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    done = run_tap(tmp_path, config(f"sqlite:///{tmp_path}/other.db"))
    assert done.code == 78
    assert "holds no inbox" in done.error


def test_a_cohort_of_the_settings_that_was_never_pushed_is_named_after_the_others(
    server, db, tmp_path
):
    nothing_yet = run_tap(tmp_path, config(db, cohorts=["VPI"])).ok()
    assert not nothing_yet.records
    sync = sync_to(server)
    sync.cohort(1000, "VIP").people = people("u1")
    assert sync.run(1000)
    done = run_tap(tmp_path, config(db, cohorts=["VIP", "VPI"]))
    assert done.code == 78
    assert "no cohort 'VPI': did you mean 'VIP'" in done.error
    assert [record["distinct_id"] for record in done.of("cohort_members")] == ["u1"]
