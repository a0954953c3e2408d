"""What is planned for a cohort, from numbers alone: no store, no HTTP, no clock."""

from __future__ import annotations

import pytest

from target_braze_cohorts.intake.cohort_records import Cohort
from target_braze_cohorts.intake.completeness import InputEvidence
from target_braze_cohorts.planning.changes import Difference, KnownList, ListSize, StagedCounts
from target_braze_cohorts.planning.jobs import Planner, is_incomplete
from target_braze_cohorts.planning.matching import Matcher

NOW = 10_000_000
CONFIG = {
    "sync_mode": "dynamic",
    "delivery": "attribute",
    "attribute_value": "name",
    "changes_stream": False,
    "full_resync_days": 7,
    "max_removal_ratio": 0.3,
    "allow_empty_cohorts": False,
    "removal_guard_minimum": 0,
}


def evidence(**changes):
    proof = {"members_complete": True, "every_cohort_came": True, "profiles_complete": True}
    return InputEvidence(**{"cut": False, **proof, **changes})


def cohort(cohort_id, name=None, count=None):
    return Cohort(int(cohort_id), cohort_id, name, count=count)


def known(list_id, label, cohort_id, *, delivered_at=None, resynced_at=NOW):
    return KnownList(list_id, label, "external_id", cohort_id, None, 4, resynced_at, delivered_at)


def matcher(cohorts, lists, proof=None, **config):
    return Matcher(
        {**CONFIG, **config},
        cohorts={one.id: one for one in cohorts},
        known=lists,
        evidence=proof or evidence(),
        is_selected=lambda _: True,
        now=NOW,
    )


def planner(sizes, proof=None, **config):
    return Planner({**CONFIG, **config}, evidence=proof or evidence(), sizes=sizes)


def match_of(cohorts, lists, **config):
    return matcher(cohorts, lists, **config).matches()[0]


def test_a_renamed_cohort_gets_a_new_label_and_its_old_list_is_former():
    old = known(1, "Readers", "1")
    match = match_of([cohort("1", "Fans")], [old])
    assert (match.label, match.known, match.former) == ("Fans", None, [old])


def test_two_cohorts_of_one_name_are_a_conflict_for_both():
    matches = matcher([cohort("1", "VIP"), cohort("2", "VIP")], []).matches()
    assert all(match.conflict for match in matches)


def test_cohorts_that_swap_names_use_each_others_lists_and_empty_none():
    lists = [known(1, "A", "1"), known(2, "B", "2")]
    first, second = matcher([cohort("1", "B"), cohort("2", "A")], lists).matches()
    assert (first.known, second.known) == (lists[1], lists[0])
    assert not [*first.former, *second.former]


@pytest.mark.parametrize("proof", [{"every_cohort_came": False}, {"cut": True}])
def test_a_cohort_that_is_missing_has_not_vanished_without_proof(proof):
    lists = [known(1, "A", "1")]
    assert matcher([], lists).vanished([]) == lists
    assert matcher([], lists, evidence(**proof)).vanished([]) == []


def test_a_cohort_that_changes_do_not_name_has_not_vanished():
    assert matcher([], [known(1, "A", "1")], changes_stream=True).vanished([]) == []


def test_a_list_moves_to_the_next_generation_when_a_full_round_is_due():
    week = 7 * 86_400
    due, fresh = known(1, "A", "1", resynced_at=NOW - week), known(1, "A", "1")
    assert match_of([cohort("1", "A")], [due]).generation == due.generation + 1
    assert match_of([cohort("1", "A")], [fresh]).generation == fresh.generation


def test_a_rename_that_keeps_its_members_passes_the_guards_and_shows_every_removal():
    match = match_of([cohort("1", "Fans")], [known(1, "Readers", "1")])
    plan = planner({1: ListSize(10, 9)})
    job = plan.job(match, StagedCounts(10), Difference(to_add=10, leaving_former=1))
    assert job.decision.remove
    assert (job.counts.to_remove, job.in_braze) == (10, 9)


def test_a_rename_that_loses_too_many_members_is_stopped():
    match = match_of([cohort("1", "Fans")], [known(1, "Readers", "1")])
    plan = planner({1: ListSize(10, 10)})
    job = plan.job(match, StagedCounts(6), Difference(to_add=6, leaving_former=4))
    assert not job.decision.send
    assert "would lose 4 of 10" in job.decision.stopped


def test_a_list_with_as_many_members_as_the_source_counts_is_complete():
    proof = evidence(members_complete=False)
    match = match_of([cohort("1", "A", count=2)], [])
    plan = planner({}, proof)
    assert plan.job(match, StagedCounts(2), Difference(2)).decision.finishes
    assert not plan.job(match, StagedCounts(1), Difference(1)).decision.finishes


def test_nothing_is_compared_for_a_cohort_that_was_delivered_once_and_for_all():
    match = match_of([cohort("1", "A")], [known(1, "A", "1", delivered_at=5)])
    assert not planner({}, sync_mode="one_time").needs_difference(match)
    assert planner({}).needs_difference(match)


def test_an_input_without_cohorts_is_incomplete_if_lists_are_known_and_nothing_proves_it():
    proof = evidence(members_complete=False)
    assert is_incomplete([], proof, [known(1, "A", "1")])
    assert not is_incomplete([], proof, [])
    assert not is_incomplete([], evidence(), [known(1, "A", "1")])
