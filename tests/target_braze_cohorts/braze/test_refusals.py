"""Somebody whom Braze does not take, and requests that it does not take."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from braze_mixpanel.errors import InputError
from target_braze_cohorts.braze.braze_answer import BrazeAnswer
from target_braze_cohorts.braze.cohort_import import CohortImport
from target_braze_cohorts.braze.user_attribute import UserAttribute
from tests.fakes.fake_braze import FakeBraze, Fault
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    by_attribute,
    cohort,
    full,
    member,
    run,
    schema,
)

EVERYBODY = [f"u{number:03}" for number in range(100)]


def changes_refused_of(cohort_id):
    """Make a policy that refuses every change of a cohort, as for a fault in the request."""

    def policy(request):
        is_change = request.body.get("cohort_changes")
        return Fault(400) if is_change and request.body["cohort_id"] == cohort_id else None

    return policy


def test_the_culprit_of_a_400_is_found_by_halving_and_listed(braze, tmp_path):
    braze.malformed = {"u042", "u077"}
    done = run(braze, tmp_path, full({1: EVERYBODY})).ok()
    assert braze.members("1") == set(EVERYBODY) - braze.malformed
    assert {letter["record"]["distinct_id"] for letter in done.dead} == braze.malformed
    assert {letter["status"] for letter in done.dead} == {400}
    assert done.rows["1"].done.refused == 2
    assert len(braze.requests) < 40


def test_a_culprit_is_forgotten_when_they_leave(braze, tmp_path):
    braze.malformed = {"u042"}
    run(braze, tmp_path, full({1: EVERYBODY})).ok()
    before = len(braze.requests)
    run(braze, tmp_path, full({1: [who for who in EVERYBODY if who != "u042"]})).ok()
    assert len(braze.requests) == before


def test_a_request_that_braze_never_takes_is_not_blamed_on_each_of_its_members(braze, tmp_path):
    braze.policy = changes_refused_of("1")
    done = run(braze, tmp_path, full({1: EVERYBODY, 2: ["a"]}))
    assert isinstance(done.error, InputError)
    assert "refused every member" in str(done.error)
    assert not done.dead
    assert len(braze.requests) < 60
    assert braze.members("2") == {"a"}


def test_a_cohort_whose_name_is_refused_does_not_keep_the_others_out(braze, tmp_path):
    braze.malformed = {"Cohort 1"}
    done = run(braze, tmp_path, full({1: ["a"], 2: ["b"]}))
    assert isinstance(done.error, InputError)
    assert braze.members("2") == {"b"}
    braze.malformed = set()
    run(braze, tmp_path, full({1: ["a"], 2: ["b"]})).ok()
    assert braze.members("1") == {"a"}


# Unusable ids, whatever their number and place


@pytest.mark.parametrize("way", [{}, by_attribute(attribute_value="id")])
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(range(20), id="twenty that sort first"),
        pytest.param(range(80), id="more than a page that sort first"),
        pytest.param(range(200), id="pages that sort first"),
        pytest.param(range(50, 300), id="pages that sort last"),
        pytest.param([n for n in range(300) if n % 3], id="two of three"),
        pytest.param([n for n in range(300) if n not in {7, 291}], id="all but two"),
    ],
)
def test_unusable_ids_are_set_aside_whatever_their_number_and_place(tmp_path, way, bad):
    people = [f"u{number:03}" for number in range(300)]
    unusable = {people[number] for number in bad}
    with FakeBraze(malformed=unusable) as braze, patch.object(CohortImport, "most_users", 75):
        done = run(braze, tmp_path, full({1: people}), **way).ok()
        assert braze.members("1") == set(people) - unusable
        assert {letter["record"]["distinct_id"] for letter in done.dead} == unusable
        assert done.rows["1"].done.refused == len(unusable) == len(done.dead)
        second = run(braze, tmp_path, full({1: people}), **way).ok()
        assert second.rows["1"].done.added == 0
        gone = [who for who in people if who not in unusable]
        third = run(braze, tmp_path, full({1: gone}), **way).ok()
        assert third.rows["1"].counts.to_remove == 0


def test_a_cohort_of_unusable_ids_is_given_up_after_each_was_tried_and_the_others_go_on(
    braze, tmp_path
):
    braze.malformed = set(EVERYBODY)
    done = run(braze, tmp_path, full({1: EVERYBODY, 2: ["a"]}))
    assert isinstance(done.error, InputError)
    assert "1 (Braze refused every member (status 400))" in str(done.error)
    assert len(braze.requests) < 120
    assert braze.members("1") == set()
    assert braze.members("2") == {"a"}


@pytest.mark.parametrize("way", [{}, by_attribute(attribute_value="id")])
@pytest.mark.parametrize("may_empty", [False, True])
def test_a_list_of_unusable_ids_keeps_those_who_left_only_while_it_may_not_become_empty(
    braze, tmp_path, way, may_empty
):
    run(braze, tmp_path, full({1: "abcd"}), **way).ok()
    braze.malformed = {"x", "y"}
    done = run(
        braze, tmp_path, full({1: "xy"}), **{**LENIENT, **way, "allow_empty_cohorts": may_empty}
    )
    assert "1 (Braze refused every member (status 400))" in str(done.error)
    assert braze.members("1") == (set() if may_empty else set("abcd"))


def test_people_whom_track_names_in_a_400_are_set_aside_without_halving(tmp_path):
    people = [f"u{number:03}" for number in range(225)]
    by_id = by_attribute(attribute_value="id")
    with FakeBraze(refused=people[75:150]) as braze:
        done = run(braze, tmp_path, full({1: people}), **by_id).ok()
        assert braze.members("1") == {*people[:75], *people[150:]}
        assert len(braze.requests) == 4
    assert {letter["reason"] for letter in done.dead} == {"refused_alone"}
    assert len(done.dead) == 75


# Removals: a page with refused people only proves nothing


@pytest.mark.parametrize("way", [{}, by_attribute(attribute_value="id")])
def test_refused_people_alone_in_a_page_of_removals_do_not_stop_the_cohort(braze, tmp_path, way):
    run(braze, tmp_path, full({1: "abcd"}), **way).ok()
    braze.malformed = {"a", "b"}
    for _ in range(2):
        done = run(braze, tmp_path, full({1: "cde"}), **LENIENT, **way).ok()
        assert {letter["record"]["distinct_id"] for letter in done.dead} == {"a", "b"}
        assert done.rows["1"].done.refused == 2
    assert braze.members("1") == set("abcde")
    braze.malformed = set()
    run(braze, tmp_path, full({1: "cde"}), **LENIENT, **way).ok()
    assert braze.members("1") == set("cde")


@pytest.mark.parametrize(
    ("kind", "people"),
    [
        ("email", ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]),
        ("phone", ["+12025550101", "+12025550102", "+12025550103", "+12025550104"]),
        ("braze_id", ["a" * 24, "b" * 24, "c" * 24, "d" * 24]),
    ],
)
def test_the_same_holds_for_people_named_by_contacts_and_braze_ids(braze, tmp_path, kind, people):
    way = by_attribute(attribute_value="id", identifier=kind)
    run(braze, tmp_path, full({1: people}), **way).ok()
    braze.malformed = set(people[:2])
    done = run(braze, tmp_path, full({1: people[2:]}), **LENIENT, **way).ok()
    assert done.rows["1"].done.refused == 2
    braze.malformed = set()
    run(braze, tmp_path, full({1: people[2:]}), **LENIENT, **way).ok()
    assert braze.members("1") == set(people[2:])


def test_refused_people_in_one_former_list_do_not_keep_the_others_from_being_emptied(
    braze, tmp_path
):
    by_name = by_attribute()
    run(braze, tmp_path, full({1: "abcdef"}, {1: "first"}), **by_name).ok()
    braze.malformed = {"a", "b"}
    run(braze, tmp_path, full({1: "abcdef"}, {1: "second"}), **by_name).ok()
    assert braze.members("first") == {"a", "b"}
    run(braze, tmp_path, full({1: "abcdef"}, {1: "third"}), **by_name).ok()
    assert braze.members("second") == set()
    assert braze.members("third") == set("cdef")
    braze.malformed = set()
    run(braze, tmp_path, full({1: "abcdef"}, {1: "third"}), **by_name).ok()
    assert braze.members("first") == set()
    assert braze.members("third") == set("abcdef")


def test_a_former_list_of_which_braze_takes_no_removal_does_not_keep_the_others(braze, tmp_path):
    by_name = by_attribute()
    run(braze, tmp_path, full({1: "ab"}, {1: "first"}), **by_name).ok()
    braze.policy = lambda request: Fault(400) if "first" in str(request.body) else None
    run(braze, tmp_path, full({1: "ab"}, {1: "second"}), **by_name)
    done = run(braze, tmp_path, full({1: "ab"}, {1: "third"}), **by_name)
    assert isinstance(done.error, InputError)
    assert braze.members("first") == {"a", "b"}
    assert braze.members("second") == set()
    assert braze.members("third") == {"a", "b"}


# Plain 400, which may be about the request or about those in it


def test_members_stay_known_when_braze_likes_no_request(braze, tmp_path):
    run(braze, tmp_path, full({1: "abc"})).ok()
    braze.policy = lambda request: Fault(400) if request.adds else None
    done = run(braze, tmp_path, full({1: "abc"}), full_resync_days=0)
    assert isinstance(done.error, InputError)
    assert not done.dead
    braze.policy = lambda _: None
    run(braze, tmp_path, full({1: "bc"}), **LENIENT).ok()
    assert braze.members("1") == {"b", "c"}


@pytest.mark.parametrize("leaving", ["h", "gh"])
def test_removals_that_were_refused_are_sent_again(braze, tmp_path, leaving):
    staying = set("abcdefgh") - set(leaving)
    run(braze, tmp_path, full({1: "abcdefgh"})).ok()
    braze.policy = lambda request: Fault(400) if request.removes else None
    done = run(braze, tmp_path, full({1: staying}))
    assert (done.error is None) is (len(leaving) == 1)
    assert len(done.dead) == (len(leaving) == 1)
    braze.policy = lambda _: None
    run(braze, tmp_path, full({1: staying})).ok()
    assert braze.members("1") == staying


def test_one_member_alone_is_listed_and_sent_again(braze, tmp_path):
    braze.policy = lambda request: Fault(400) if request.adds else None
    assert len(run(braze, tmp_path, full({1: "a"})).ok().dead) == 1
    braze.policy = lambda _: None
    run(braze, tmp_path, full({1: "a"})).ok()
    assert braze.members("1") == {"a"}


def test_several_culprits_are_distinguished_from_a_bad_request_by_an_accepted_member(
    braze, tmp_path
):
    braze.malformed = {"u042", "u077"}
    run(braze, tmp_path, full({1: EVERYBODY})).ok()
    done = run(braze, tmp_path, full({1: EVERYBODY[1:]})).ok()
    assert {letter["record"]["distinct_id"] for letter in done.dead} == braze.malformed
    assert braze.members("1") == set(EVERYBODY[1:]) - braze.malformed


def test_many_culprits_do_not_keep_the_others_of_their_page_out(braze, tmp_path):
    run(braze, tmp_path, full({1: ["known"]})).ok()
    braze.malformed = set(EVERYBODY[:50])
    run(braze, tmp_path, full({1: ["known", *EVERYBODY]})).ok()
    assert braze.members("1") == {"known", *EVERYBODY[50:]}


def test_an_acknowledged_member_stays_known_when_refused_among_others(braze, tmp_path):
    run(braze, tmp_path, full({1: "abc"})).ok()
    braze.malformed = {"a"}
    run(braze, tmp_path, full({1: "abc"}), full_resync_days=0).ok()
    braze.malformed = set()
    run(braze, tmp_path, full({1: "bc"}), **LENIENT).ok()
    assert braze.members("1") == {"b", "c"}


# Errors inside a success


def test_an_error_that_names_nobody_leaves_the_whole_request_unacknowledged(braze, tmp_path):
    by_id = by_attribute(attribute_value="id")
    unnamed = BrazeAnswer(201, refused_unnamed="something")
    with patch.object(UserAttribute, "change", return_value=unnamed):
        done = run(braze, tmp_path, full({1: ["a", "b"]}), **by_id).ok()
    assert done.rows["1"].done.refused == 2
    run(braze, tmp_path, full({1: ["a", "b"]}), **by_id).ok()
    assert braze.members("1") == {"a", "b"}


@pytest.mark.parametrize("index", [-1, True, 2, "0"])
def test_an_error_with_an_index_that_is_none_names_nobody(tmp_path, index):
    body = {"message": "success", "errors": [{"type": "odd", "index": index}]}
    by_id = by_attribute(attribute_value="id")
    with FakeBraze() as braze, patch.object(braze, "_track", return_value=(201, body)):
        done = run(braze, tmp_path, full({1: ["a", "b"]}), **by_id).ok()
    assert done.rows["1"].done.refused == 2


def test_a_dead_letter_can_be_replayed_even_if_no_member_came_in_its_run(braze, tmp_path):
    changes = {"changes_stream": True, "dead_letter_path": str(tmp_path / "kept")}
    braze.policy = lambda request: Fault(503) if request.adds else None
    run(braze, tmp_path, SCHEMAS + cohort(1, "A") + member(1, "bad"), retry_seconds=0, **changes)
    braze.policy, braze.malformed = lambda _: None, {"bad"}
    alone = schema("cohorts", "id", "name") + cohort(1, "A")
    run(braze, tmp_path, alone, **changes).ok()
    (path,) = (tmp_path / "kept").iterdir()
    braze.malformed = set()
    run(braze, tmp_path, path.read_bytes(), **changes).ok()
    assert braze.members("1") == {"bad"}
