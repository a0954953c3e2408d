"""What reaches Braze from one run to the next, through the partner cohort import."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError, SettingsError, TemporaryError
from tests.fakes.fake_braze import Fault
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    activate,
    by_attribute,
    cohort,
    full,
    line,
    member,
    record,
    run,
    schema,
    state,
    syncing,
    tap,
)

MANY = [f"u{number}" for number in range(10)]


def people(request):
    return set(request.adds), set(request.removes)


def test_the_first_run_names_each_cohort_and_then_adds_everybody(braze, tmp_path):
    lists = full({1001: ["a", "b"], 1002: []}, {1001: "Readers"})
    run(braze, tmp_path, lists, concurrency=1).ok()
    probe, named, added, empty = braze.requests
    assert probe.body["cohort_changes"] == []
    assert named.path == "/partners/mixpanel/cohorts"
    assert named.body["cohort_id"] == "1001"
    assert named.body["name"] == "Readers"
    assert named.body["created_at"] == "2024-03-19T23:49:51+00:00"
    assert people(added) == ({"a", "b"}, set())
    assert empty.body["cohort_id"] == "1002"
    assert braze.members("1001") == {"a", "b"}
    assert braze.members("1002") == set()


def test_a_second_run_sends_only_the_change(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    before = len(braze.writes())
    run(braze, tmp_path, full({1: [*MANY[1:], "new"]})).ok()
    adds, removals = braze.writes()[before:]
    assert people(adds) == ({"new"}, set())
    assert people(removals) == (set(), {"u0"})


def test_a_run_without_a_change_sends_nothing_not_even_a_probe(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    before = len(braze.requests)
    run(braze, tmp_path, full({1: MANY})).ok()
    assert len(braze.requests) == before


def test_a_renamed_cohort_is_named_again(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY}, {1: "old"})).ok()
    run(braze, tmp_path, full({1: MANY}, {1: "new"})).ok()
    assert braze.cohorts["1"].name == "new"
    assert [request.body["name"] for request in braze.requests if "name" in request.body] == [
        "old",
        "new",
    ]


def test_a_cohort_goes_by_its_id_until_its_name_is_known(braze, tmp_path):
    nameless = SCHEMAS + member(1, "a") + activate()
    run(braze, tmp_path, nameless).ok()
    assert braze.cohorts["1"].name == "1"
    run(braze, tmp_path, full({1: ["a"]}, {1: "Readers"})).ok()
    assert braze.cohorts["1"].name == "Readers"
    assert run(braze, tmp_path, nameless).ok().rows["1"].name == "Readers"
    assert braze.cohorts["1"].name == "Readers"


def test_members_and_cohorts_may_come_in_any_order_and_more_than_once(braze, tmp_path):
    lines = SCHEMAS + cohort(1, "first", 2) + member(1, "a") * 3 + member(1, "b")
    run(braze, tmp_path, lines + cohort(1, "last", 2)).ok()
    assert braze.members("1") == {"a", "b"}
    assert braze.cohorts["1"].name == "last"


def test_only_the_chosen_cohorts_are_delivered(braze, tmp_path):
    lists = {1: ["a"], 2: ["b"]}
    run(braze, tmp_path, full(lists), cohort_ids=["2"]).ok()
    assert set(braze.cohorts) == {"2"}
    rows = run(braze, tmp_path, full(lists), cohort_ids=[1]).ok().rows
    assert set(rows) == {"1"}
    assert braze.members("2") == {"b"}


def test_ids_are_sent_as_text_and_kept_to_the_letter(braze, tmp_path):
    ids = [7, "7", " a", "ä", "'; --", "a\u2028b", 12345678901234567890]
    run(braze, tmp_path, full({1: ids})).ok()
    assert braze.members("1") == {"7", " a", "ä", "'; --", "a\u2028b", "12345678901234567890"}


def test_large_cohorts_go_in_requests_of_at_most_a_thousand(braze, tmp_path):
    everybody = {f"u{number}" for number in range(2_500)}
    run(braze, tmp_path, full({1: everybody})).ok()
    assert braze.members("1") == everybody
    sizes = [len(request.adds) for request in braze.writes()[1:]]
    assert sorted(sizes) == [500, 1000, 1000]  # requests travel side by side


# Members without an identifier


@pytest.mark.parametrize("nobody", [None, "", "  ", True, {}, "\0", "x" * 2000])
def test_a_member_without_an_identifier_is_counted_listed_and_left_out(
    braze, tmp_path, caplog, nobody
):
    done = run(braze, tmp_path, SCHEMAS + member(1, nobody) + member(1, "a") + activate()).ok()
    assert braze.members("1") == {"a"}
    assert done.rows["1"].counts.received == 2
    assert done.rows["1"].counts.without_identifier == 1
    assert [letter["reason"] for letter in done.dead] == ["without_identifier"]
    assert done.dead[0]["record"] == {"cohort_id": 1, "distinct_id": nobody}
    assert "dead_letter" in caplog.text


# Is the list complete?


def cut(lists, **options):
    """Give what a tap sends that dies before its last word; cohorts without their counts."""
    return b"".join(tap(lists, with_counts=False, **options)[:-1])


def test_an_incomplete_list_adds_but_removes_nobody_and_fails(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    done = run(braze, tmp_path, cut({1: [*MANY[:9], "new"]}))
    assert isinstance(done.error, TemporaryError)
    assert "nobody was removed" in str(done.error)
    assert braze.members("1") == {*MANY, "new"}
    assert "adds only" in done.stderr


def test_the_right_count_is_evidence_for_its_cohort_alone(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: MANY})).ok()
    lines = SCHEMAS
    lines += b"".join(member(number, who) for number in (1, 2) for who in MANY[1:])
    done = run(braze, tmp_path, lines + cohort(1, "a", 9) + cohort(2, "b", 10))
    assert isinstance(done.error, TemporaryError)
    assert braze.members("1") == set(MANY[1:])
    assert braze.members("2") == set(MANY)


def test_a_count_that_differs_from_a_complete_list_is_only_reported(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    lines = b"".join(map(member, [1] * 9, MANY))
    done = run(braze, tmp_path, SCHEMAS + lines + cohort(1, "a", 12) + activate()).ok()
    assert braze.members("1") == set(MANY[:9])
    assert "the source counts 12" in done.stderr


def test_activate_version_is_evidence_for_all(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    run(braze, tmp_path, SCHEMAS + b"".join(map(member, [1] * 9, MANY)) + activate()).ok()
    assert braze.members("1") == set(MANY[:9])


def test_half_a_line_at_the_end_removes_nobody_though_the_counts_are_right(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    lines = b"".join(tap({1: [*MANY[1:], "new"]}))
    done = run(braze, tmp_path, lines + b'{"type": "RECO')
    assert isinstance(done.error, InputError)
    assert "middle of a line" in str(done.error)
    assert braze.members("1") == {*MANY, "new"}


def test_a_tap_that_dies_before_its_first_record_is_noticed_once_there_are_members(braze, tmp_path):
    run(braze, tmp_path, syncing("cohorts") + SCHEMAS).ok()
    run(braze, tmp_path, full({1: MANY})).ok()
    done = run(braze, tmp_path, syncing("cohorts") + SCHEMAS)
    assert isinstance(done.error, TemporaryError)
    assert braze.members("1") == set(MANY)


# Guards


def test_a_guard_stops_its_cohort_and_lets_the_others_go_on(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: MANY, 3: MANY})).ok()
    done = run(braze, tmp_path, full({1: [*MANY[:5], "new"], 2: [], 3: MANY[1:]}))
    assert isinstance(done.error, SettingsError)
    assert "max_removal_ratio" in str(done.error)
    assert "allow_empty_cohorts" in str(done.error)
    assert braze.members("1") == set(MANY)
    assert braze.members("2") == set(MANY)
    assert braze.members("3") == set(MANY[1:])


def test_the_guards_can_be_opened(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: MANY})).ok()
    run(braze, tmp_path, full({1: MANY[:1], 2: []}), **LENIENT).ok()
    assert braze.members("1") == {"u0"}
    assert braze.members("2") == set()


def test_a_ratio_may_be_text_as_it_comes_from_the_environment(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    run(braze, tmp_path, full({1: MANY[:5]}), max_removal_ratio="0.5").ok()
    assert braze.members("1") == set(MANY[:5])


# Once, and all over again


def test_one_time_adds_once_and_never_removes(braze, tmp_path):
    once = {"sync_mode": "one_time", **LENIENT}
    run(braze, tmp_path, full({1: ["a", "b"]}), **once).ok()
    before = len(braze.requests)
    done = run(braze, tmp_path, full({1: ["b", "c"]}, {1: "renamed"}), **once).ok()
    assert len(braze.requests) == before
    assert done.rows["1"].note == "delivered before"
    assert braze.members("1") == {"a", "b"}


def test_one_time_goes_on_with_a_list_that_came_in_part(braze, tmp_path):
    done = run(braze, tmp_path, cut({1: ["a"]}), sync_mode="one_time")
    assert isinstance(done.error, TemporaryError)
    run(braze, tmp_path, full({1: ["a", "b"]}), sync_mode="one_time").ok()
    assert braze.members("1") == {"a", "b"}


def test_a_full_resync_lets_in_those_whom_braze_did_not_know_before(braze, tmp_path):
    braze.users = {"a"}
    run(braze, tmp_path, full({1: ["a", "late"]})).ok()
    braze.users.add("late")
    run(braze, tmp_path, full({1: ["a", "late"]})).ok()
    assert braze.members("1") == {"a"}
    run(braze, tmp_path, full({1: ["a", "late"]}), full_resync_days=0).ok()
    assert braze.members("1") == {"a", "late"}


# A dry run


def test_a_dry_run_prints_the_plan_sends_nothing_and_changes_nothing(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    before = len(braze.requests)
    lists = full({1: [*MANY[2:], "new"], 2: ["a"]}, {1: "Readers"})
    for _ in range(2):
        done = run(braze, tmp_path, lists + state(bookmark=1), dry_run=True).ok()
        assert done.stdout == ""
        table = done.stderr.partition("Plan for each cohort:\n")[2]
        headings, first, second = table.splitlines()[:3]
        assert headings.split("  ")[0] == "cohort"
        assert first.split() == ["1", "Readers", "9", "0", "10", "1", "2"]
        assert second.split() == ["2", "Cohort", "2", "1", "0", "0", "1", "0"]
    assert len(braze.requests) == before


def test_a_dry_run_says_what_a_guard_would_stop_and_needs_no_credentials(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    keyless = {"data_import_key": None, "partner_api_key": None}
    done = run(braze, tmp_path, full({1: []}), dry_run=True, **keyless)
    assert "STOPPED: would be empty: allow_empty_cohorts" in done.stderr


# STATE


def test_state_goes_out_after_delivery_and_without_currently_syncing(braze, tmp_path):
    lines = syncing("cohorts") + full({1: ["a"]}) + state(bookmarks={"x": 1}, currently_syncing="x")
    assert run(braze, tmp_path, lines).ok().stdout == '{"bookmarks": {"x": 1}}\n'


def test_tap_mixpanels_own_state_leaves_nothing_to_emit(braze, tmp_path):
    assert run(braze, tmp_path, full({1: ["a"]})).ok().stdout == ""


def test_no_state_goes_out_when_a_cohort_was_stopped(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    assert run(braze, tmp_path, full({1: []}) + state(bookmark=1)).stdout == ""


# Other sources


def test_a_warehouse_table_of_cohort_name_and_id_in_one_stream(braze, tmp_path):
    table = {
        "cohorts_stream": "audiences",
        "members_stream": "audiences",
        "cohort_id_field": "audience",
        "cohort_name_field": "title",
        "member_cohort_id_field": "audience",
        "member_id_field": "user_id",
    }
    rows = [{"audience": "vip", "title": "Best", "user_id": who} for who in ("a", "b")]
    lines = schema("audiences", "audience", "title", "user_id")
    lines += b"".join(record("audiences", **row) for row in rows) + activate("audiences")
    run(braze, tmp_path, lines, **table).ok()
    assert braze.cohorts["vip"].name == "Best"
    assert braze.members("vip") == {"a", "b"}


def test_a_cohort_id_is_one_whether_it_comes_as_a_number_or_as_text(braze, tmp_path):
    lines = SCHEMAS + member(1, "a") + member(1.0, "b") + member("1", "c") + cohort(1, "Readers", 3)
    run(braze, tmp_path, lines + cohort(1.0, "Readers", 3)).ok()
    assert set(braze.cohorts) == {"1"}
    assert braze.members("1") == {"a", "b", "c"}


# Records that say that their member is none


@pytest.mark.parametrize(
    "mark", [{"should_remove": True}, {"should_remove": "true"}, {"_sdc_deleted_at": "2026-01-01"}]
)
def test_a_member_marked_as_removed_is_no_member_of_a_full_list(braze, tmp_path, mark):
    lines = (
        SCHEMAS + cohort(1, "Readers", 2) + member(1, "a") + member(1, "b") + member(1, "x", **mark)
    )
    done = run(braze, tmp_path, lines).ok()
    assert braze.members("1") == {"a", "b"}
    assert done.rows["1"].note == "1 marked as removed"
    assert done.rows["1"].counts.received == 2


def test_the_replay_of_a_refused_removal_does_not_add(braze, tmp_path):
    way = by_attribute(attribute_value="id")
    run(braze, tmp_path, full({1: MANY}), **way).ok()
    braze.refused = {"u0"}
    refused = run(braze, tmp_path, full({1: MANY[1:]}), **way).ok().dead
    braze.refused = set()
    before = len(braze.writes())
    run(braze, tmp_path, SCHEMAS + b"".join(map(line, refused)), **way)
    assert len(braze.writes()) == before
    run(braze, tmp_path, full({1: MANY[1:]}), **way).ok()
    assert braze.members("1") == set(MANY[1:])


# Names


def test_a_cohort_keeps_its_name_when_a_new_one_did_not_arrive(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"]}, {1: "VIP"})).ok()
    braze.policy = lambda request: Fault(503) if "name" in request.body else None
    assert run(braze, tmp_path, full({1: ["a"]}, {1: "Gold"}), retry_seconds=0).error
    braze.policy = lambda _: None
    run(braze, tmp_path, SCHEMAS + member(1, "a") + activate()).ok()
    assert braze.cohorts["1"].name == "VIP"
    run(braze, tmp_path, full({1: ["a"]}, {1: "Gold"})).ok()
    assert braze.cohorts["1"].name == "Gold"


def test_a_cohort_whose_first_name_did_not_arrive_goes_by_its_id(braze, tmp_path):
    braze.policy = lambda request: Fault(503) if "name" in request.body else None
    assert run(braze, tmp_path, full({1: ["a"]}), retry_seconds=0).error
    braze.policy = lambda _: None
    run(braze, tmp_path, SCHEMAS + member(1, "a") + activate()).ok()
    assert braze.cohorts["1"].name == "1"


def test_device_ids_and_aliases_are_named_as_such(braze, tmp_path):
    run(braze, tmp_path, full({1: ["d"]}), identifier="device_id").ok()
    assert braze.writes()[-1].body["cohort_changes"][0]["device_ids"] == ["d"]
    (tmp_path / "other").mkdir()
    lines = SCHEMAS + member(2, "al", kind="crm") + member(2, "be") + activate()
    labels = {"alias_label": "app", "alias_label_field": "kind"}
    run(braze, tmp_path / "other", lines, identifier="alias", **labels).ok()
    assert braze.members("2") == {"crm/al", "app/be"}


def test_an_alias_without_a_label_is_no_identifier(braze, tmp_path):
    lines = SCHEMAS + member(2, "al", kind="crm") + member(2, "be") + activate()
    done = run(braze, tmp_path, lines, identifier="alias", alias_label_field="kind").ok()
    assert braze.members("2") == {"crm/al"}
    assert done.rows["2"].counts.without_identifier == 1


def test_members_added_by_one_kind_of_identifier_are_not_removed_by_another(
    braze, tmp_path, caplog
):
    run(braze, tmp_path, full({1: ["a"]})).ok()
    done = run(braze, tmp_path, full({1: ["a"]}), identifier="device_id")
    assert isinstance(done.error, SettingsError)
    assert "identifier" in str(done.error)
    assert "The input has no cohorts" not in caplog.text


def test_stream_maps_are_applied(braze, tmp_path):
    maps = {
        "cohort_members": {"distinct_id": "distinct_id.upper()", "__filter__": "cohort_id=='1'"}
    }
    run(braze, tmp_path, full({"1": ["a"], "2": ["b"]}), stream_maps=maps).ok()
    assert braze.members("1") == {"A"}
    assert braze.members("2") == set()


def test_an_alias_stream_keeps_its_evidence(braze, tmp_path):
    maps = {"people": {"__alias__": "cohort_members"}}
    lines = schema("people", "cohort_id", "distinct_id")
    lines += record("people", cohort_id=1, distinct_id="a") + activate("people")
    run(braze, tmp_path, lines, stream_maps=maps).ok()
    assert braze.members("1") == {"a"}
