"""What is decided about a cohort, from numbers alone."""

from __future__ import annotations

import pytest

from target_braze_cohorts.planning.decision import (
    CohortCounts,
    Guards,
    SyncMode,
    decide,
    resync_due,
)

STRICT = Guards(max_removal_ratio=0.3, allow_empty_cohorts=False)
DAY = 86_400


def decision(counts, *, complete=True, mode=SyncMode.DYNAMIC, delivered=False, guards=STRICT):
    return decide(counts, complete=complete, mode=mode, delivered=delivered, guards=guards)


def counts(*, known=10, add=0, remove=0):
    return CohortCounts(known=known, to_add=add, to_remove=remove)


def test_a_complete_list_leads_to_adds_and_removals():
    assert decision(counts(add=2, remove=3)).remove


def test_an_incomplete_list_leads_to_adds_only_whatever_the_guards_allow():
    lenient = Guards(max_removal_ratio=1, allow_empty_cohorts=True)
    decided = decision(counts(add=2, remove=3), complete=False, guards=lenient)
    assert decided.send
    assert not decided.remove
    assert not decided.finishes


@pytest.mark.parametrize(("leaving", "stopped"), [(3, False), (4, True)])
def test_more_removals_than_the_ratio_stop_the_cohort(leaving, stopped):
    decided = decision(counts(add=1, remove=leaving))
    assert (decided.stopped is not None) is stopped
    assert decided.send is not stopped


@pytest.mark.parametrize("ratio", [0, 0.3, 1])
@pytest.mark.parametrize("allowed", [False, True])
def test_for_a_cohort_that_becomes_empty_its_own_setting_alone_decides(ratio, allowed):
    guards = Guards(max_removal_ratio=ratio, allow_empty_cohorts=allowed)
    assert decision(counts(remove=10), guards=guards).send is allowed


def test_a_cohort_that_was_empty_and_stays_empty_is_no_matter_for_a_guard():
    assert decision(counts(known=0)).stopped is None


def test_one_time_never_removes():
    decided = decision(counts(add=2, remove=10), mode=SyncMode.ONE_TIME)
    assert decided.send
    assert not decided.remove


def test_one_time_sends_a_delivered_cohort_no_more():
    assert not decision(counts(add=2), mode=SyncMode.ONE_TIME, delivered=True).send


def test_one_time_is_not_done_with_a_list_that_came_in_part():
    assert not decision(counts(add=2), mode=SyncMode.ONE_TIME, complete=False).finishes


@pytest.mark.parametrize(("days", "due"), [(0, True), (6, True), (7, True), (8, False)])
def test_all_adds_are_due_again_after_so_many_days(days, due):
    assert resync_due(1_000, 1_000 + 7 * DAY, days) is due
