"""A large cohort with a few changes costs a few records and a few requests, up to Braze."""

from __future__ import annotations

import pytest

from tests.fakes.fake_braze import FakeBraze
from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, inbox, run_tap
from tests.target_braze_cohorts.harness import by_attribute, run

MEMBERS = 200_000
BY_COHORT = {"external_id_property": PROPERTY}
BY_ATTRIBUTE = by_attribute(external_id_property=PROPERTY, attribute_value="id")


def profiles(numbers):
    return {f"user-{number}": {PROPERTY: f"b-{number}"} for number in numbers}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the tap gave after the first sync of the whole cohort, and after the one of changes."""
    folder = tmp_path_factory.mktemp("inbox")
    db = f"sqlite:///{folder}/inbox.db"
    config = {"inbox_db": db, "profile_properties": [PROPERTY]}
    with inbox(db) as process:
        sync = CohortSync(process.url, auth=(USER, PASSWORD), at_once=8)
        sync.cohort(1001, "Readers").people = profiles(range(MEMBERS))
        assert sync.run(1001)
        first = run_tap(folder, config).ok()

        sync.cohort(1001).people = profiles(range(10, MEMBERS + 20))
        assert sync.run(1001)
        return first, run_tap(folder, config, first.state).ok()


@pytest.mark.slow
@pytest.mark.xdist_group("few changes")
@pytest.mark.parametrize("way", [BY_COHORT, BY_ATTRIBUTE], ids=["cohort", "attribute"])
def test_thirty_changes_of_200_000_members_are_few_records_and_thirty_people(
    outputs, tmp_path, way
):
    first, second = outputs
    assert second.records < 100
    with FakeBraze() as braze:
        run(braze, tmp_path, first.output, **way).ok()
        assert len(braze.members("1001")) == MEMBERS

        before = len(braze.writes())
        run(braze, tmp_path, second.output, **way).ok()
        sent = braze.writes()[before:]
        assert sorted(who for request in sent for who in request.adds) == sorted(
            f"b-{number}" for number in range(MEMBERS, MEMBERS + 20)
        )
        assert sorted(who for request in sent for who in request.removes) == sorted(
            f"b-{number}" for number in range(10)
        )
        assert len(sent) == 2
        assert len(braze.members("1001")) == MEMBERS + 10
