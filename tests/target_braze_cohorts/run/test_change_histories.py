"""Random histories of a stream of changes: only what STATE has not confirmed comes again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from target_braze_cohorts.braze.cohort_import import CohortImport
from target_braze_cohorts.braze.user_attribute import UserAttribute
from tests.fakes.fake_braze import FakeBraze
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    by_attribute,
    cohort,
    member,
    run,
    state,
)
from tests.target_braze_cohorts.run.test_histories import (
    FAULTS,
    NAMES,
    RUNS,
    USERS,
    changes_refused,
    crash_at,
)

COHORTS = [1, 2]
PAGE = 3


class Changes(RuleBasedStateMachine):
    """What the source holds, the changes not yet confirmed, and what Braze then holds."""

    config: ClassVar[dict[str, object]] = {}

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.wanted = {number: set() for number in COHORTS}
        self.names = {1: "red", 2: "green"}
        self.pending = b""
        self.policy = lambda _: None
        self.braze = FakeBraze(policy=self.fault_for)
        self.braze.__enter__()

    def fault_for(self, request):
        return self.policy(request)

    def teardown(self):
        self.braze.__exit__()
        shutil.rmtree(self.folder)

    def label(self, number):
        return str(number)

    def run(self, policy=lambda _: None, **changes):
        self.policy = policy
        names = b"".join(cohort(number, name) for number, name in self.names.items())
        lines = SCHEMAS + names + self.pending + state(bookmark=1)
        config = {**LENIENT, **self.config, "changes_stream": True, **changes}
        with (
            patch.object(CohortImport, "most_users", PAGE),
            patch.object(UserAttribute, "most_users", PAGE),
        ):
            result = run(self.braze, self.folder, lines, **config)
        if result.stdout:
            self.pending = b""
        return result

    @rule(number=st.sampled_from(COHORTS), who=st.sampled_from(USERS), removed=st.booleans())
    def member_changes(self, number, who, removed):
        self.pending += member(number, who, should_remove=removed)
        self.wanted[number].discard(who) if removed else self.wanted[number].add(who)

    @rule(number=st.sampled_from(COHORTS), people=st.sets(st.sampled_from(USERS), min_size=2))
    def members_come(self, number, people):
        self.pending += b"".join(member(number, who) for who in sorted(people))
        self.wanted[number] |= people

    @rule(number=st.sampled_from(COHORTS), name=st.sampled_from(NAMES))
    def rename(self, number, name):
        if name not in self.names.values():
            self.names[number] = name

    @rule(user=st.sampled_from(USERS))
    def braze_dislikes(self, user):
        self.braze.malformed = {user}

    @rule(resync=st.booleans())
    def clean_run(self, resync):
        self.braze.malformed = set()
        # A name that another cohort leaves is free only in the run after that.
        self.run(full_resync_days=0 if resync else 7)
        self.run().ok()
        held = {number: self.braze.members(self.label(number)) for number in COHORTS}
        assert held == self.wanted
        everywhere = {name for values in self.braze.values.values() for name in values}
        assert everywhere <= set(self.names.values())

    @rule(step=st.integers(0, 30))
    def crash(self, step):
        with crash_at(step):
            self.run()

    @rule(faults=st.lists(st.sampled_from([None, *FAULTS]), max_size=8), patient=st.booleans())
    def braze_fails(self, faults, patient):
        coming = iter(faults)
        self.run(lambda _: next(coming, None), retry_seconds=600 if patient else 0)

    @rule()
    def braze_takes_no_change(self):
        self.run(changes_refused)


class ChangesByAttribute(Changes):
    """Values of the attribute are names, so that a rename moves those whom no change names."""

    config = by_attribute()

    def label(self, number):
        return self.names[number]


@pytest.mark.parametrize("machine", [Changes, ChangesByAttribute])
def test_braze_holds_what_the_changes_say_after_any_history(machine):
    case = machine.TestCase()
    case.settings = RUNS
    case.runTest()
