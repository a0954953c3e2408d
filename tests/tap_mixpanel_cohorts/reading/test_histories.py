"""Random histories of Mixpanel's sync, the inbox, the tap and the target, faults included."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tap_mixpanel_cohorts.inbox.cleaning import Cleaning
from tap_mixpanel_cohorts.inbox.database import create_tables, make_engine, parse_url
from tap_mixpanel_cohorts.inbox.intake import Intake
from tap_mixpanel_cohorts.inbox.push import read_push
from tap_mixpanel_cohorts.reading.pushed import PushedCohorts, note_passed, open_inbox
from tests.fakes.mixpanel_cohort_sync import ANSWER_LOST, LOST, TWICE, CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, USER, apply, run_tap, start_inbox

PEOPLE = [f"u{number}" for number in range(5)]
SECONDS = 100.0


class DirectSync(CohortSync):
    """The sync without HTTP: pages of one person go straight into the store."""

    def __init__(self, intake, first_action, seed):
        super().__init__("", first_action=first_action, ids_as_text=seed % 2 == 0, seed=seed)
        self.intake = intake
        self.stored: set[tuple[str, int]] = set()
        self.sent: dict[str, int] = {}

    page = 1

    def _pages(self, cohort, session, action, people):
        rows = list(people.items())
        parts = [rows[at : at + self.page] for at in range(0, len(rows), self.page)] or [[]]
        self.sent[action] = len(parts)
        made = [
            self._body(cohort, session, action, part, number, len(parts))
            for number, part in enumerate(parts, 1)
        ]
        return [type("Call", (), {"body": body, "action": action})() for body in made]

    def _try(self, call, fault):
        if fault == LOST:
            return 0
        for _ in range(2 if fault == TWICE else 1):
            self.intake.store(read_push(json.dumps(call.body).encode(), []))
        page = call.body["parameters"]["page_info"]["page_count"]
        self.stored.add((call.action, page))
        return 0 if fault == ANSWER_LOST else 200

    def run(self, cohort_id):
        self.stored, self.sent = set(), {}
        return super().run(cohort_id)

    def looks_complete(self):
        """Whether what failed looks to any receiver as if it had not."""
        counts = [sum(action == stored for stored, _ in self.stored) for action in self.sent]
        whole = [
            count == self.sent[action] for count, action in zip(counts, self.sent, strict=True)
        ]
        return any(whole) and all(
            done or count == 0 for done, count in zip(whole, counts, strict=True)
        )


class Histories(RuleBasedStateMachine):
    @initialize(first=st.sampled_from(["members", "add_members"]), seed=st.integers(0, 99))
    def begin(self, first, seed):
        self.folder = Path(tempfile.mkdtemp())
        self.url = f"sqlite:///{self.folder}/inbox.db"
        self.engine = make_engine(parse_url(self.url, "x"), writes=True)
        create_tables(self.engine, "[]")
        self.sync = DirectSync(Intake(self.engine, lambda: SECONDS), first, seed)
        self.progress = {}
        self.known: dict[int, set[str]] = {}
        self.states: dict[int, list[set[str]]] = {1: [set()], 2: [set()]}
        self.entered: dict[tuple[int, str], int] = {}
        self.unsure: set[int] = set()
        for number in (1, 2):
            self.change(number, PEOPLE[:number])
            assert self.sync.run(number)

    def teardown(self):
        if hasattr(self, "engine"):
            self.settle()
            self.engine.dispose()
            shutil.rmtree(self.folder)

    @rule(number=st.sampled_from([1, 2]), name=st.sampled_from("AB"))
    def rename(self, number, name):
        self.sync.cohort(number).name = f"{name}{number}"

    def change(self, number, people):
        self.sync.cohort(number).people = {who: {} for who in people}
        self.states[number].append(set(people))

    @rule(
        number=st.sampled_from([1, 2]),
        people=st.sets(st.sampled_from(PEOPLE)),
        faults=st.lists(st.sampled_from([None, TWICE, LOST, ANSWER_LOST]), max_size=6),
        lasting=st.sampled_from([None, LOST, LOST, ANSWER_LOST]),
        from_call=st.integers(0, 3),
    )
    def push(self, number, people, faults, lasting, from_call):
        self.change(number, people)
        given = iter(faults)
        calls = []

        def fault(call, number_of_try):
            if id(call) not in calls:
                calls.append(id(call))
            if lasting and calls.index(id(call)) >= from_call:
                return lasting
            return next(given, None) if number_of_try == 0 else None

        self.sync.fault = fault
        if not self.sync.run(number) and self.sync.looks_complete():
            self.unsure.add(number)

    @rule(number=st.sampled_from([1, 2]))
    def lose_snapshot(self, number):
        self.sync.lose_snapshot(number)
        if self.sync.first_action == "add_members":
            self.sync.first_action = "members"

    @rule(
        cohorts=st.sampled_from([0, 1, 9]),
        keeps_state=st.booleans(),
        refresh=st.sampled_from([False, False, False, True]),
    )
    def run_pipeline(self, cohorts, keeps_state, refresh):
        """The tap is killed after some cohorts; or the target, before STATE is kept."""
        self.pipeline(cohorts, keeps_state=keeps_state, refresh=refresh)

    def pipeline(self, cohorts, *, keeps_state, refresh):
        if self.progress.get("sequence"):
            note_passed(self.url, self.progress["sequence"])
        progress = {} if refresh else self.progress
        with open_inbox(self.url) as connection:
            source = PushedCohorts(
                connection, wanted=None, profile_properties=[], progress=progress
            )
            for _, reading in zip(range(cohorts), source.readings(), strict=False):
                self.take(reading)
                progress = reading.progress
            if cohorts == 9:
                progress = source.final_progress()
        if keeps_state:
            self.progress = json.loads(json.dumps(progress))

    @rule()
    def clean(self):
        Cleaning(self.engine, 14, lambda: SECONDS).run()

    def take(self, reading):
        number = reading.cohort["id"]
        records = [
            msgspec.json.decode(line)
            for block in reading.blocks
            for line in block.ndjson.splitlines()
        ]
        before = self.known.get(number, set())
        if reading.stream == "cohort_members":
            after = {record["distinct_id"] for record in records}
            assert len(after) == len(records) == reading.cohort["count"]
        else:
            after = set(before)
            for record in records:
                (after.discard if record["should_remove"] else after.add)(record["distinct_id"])
        for who in before - after:
            since = self.states[number][self.entered[number, who] :]
            assert any(who not in people for people in since), f"{who} was removed for nothing"
        for who in after - before:
            self.entered[number, who] = len(self.states[number]) - 1
        self.known[number] = after

    @invariant()
    def nobody_unknown_to_the_cohort_is_a_member(self):
        for number, people in getattr(self, "known", {}).items():
            assert people <= set().union(*self.states[number])

    def settle(self):
        """After a good sync and a whole run all is equal, and a second run has nothing."""
        self.sync.fault = lambda _call, _number: None
        for number in list(self.sync.cohorts):
            if number in self.unsure:
                self.lose_snapshot(number)
            assert self.sync.run(number)
        self.pipeline(9, keeps_state=True, refresh=False)
        for number, cohort in self.sync.cohorts.items():
            assert self.known.get(number, set()) == set(cohort.people)
        with open_inbox(self.url) as connection:
            again = PushedCohorts(
                connection, wanted=None, profile_properties=[], progress=self.progress
            )
            assert list(again.readings()) == []
            assert again.final_progress() == self.progress


Histories.TestCase.settings = settings(
    max_examples=100 if os.environ.get("EXHAUSTIVE") else 50,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestHistories = Histories.TestCase


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_processes_that_are_killed_at_any_moment_lose_nothing(tmp_path, seed):
    chance = random.Random(seed)
    db = f"sqlite:///{tmp_path}/inbox.db"
    process = start_inbox(db)
    sync = CohortSync(process.url, auth=(USER, PASSWORD), at_once=3, seed=seed)
    known, state = {}, None
    everybody = [f"user-{number}" for number in range(2500)]
    try:
        for _ in range(8):
            number = chance.choice([1, 2])
            sync.cohort(number).people = {who: {} for who in chance.sample(everybody, 2200)}
            if chance.random() < 0.5:
                calls = iter(range(100))
                kill_at = chance.randrange(6)

                def fault(_call, _number, calls=calls, kill_at=kill_at, process=process):
                    if next(calls, 0) == kill_at:
                        process.kill()

                sync.fault = fault
            sync.run(number)
            sync.fault = lambda _call, _number: None
            if process.process.poll() is not None:
                process.process.stderr.close()
                process = start_inbox(db)
                sync.url = process.url
            if chance.random() < 0.6:
                done = run_tap(tmp_path, {"inbox_db": db}, state).ok()
                apply(done, known)
                state = done.state if chance.random() < 0.7 else state
        for number in sync.cohorts:
            sync.lose_snapshot(number)
            assert sync.run(number)
        done = run_tap(tmp_path, {"inbox_db": db}, state).ok()
        apply(done, known)
        assert known == {number: set(one.people) for number, one in sync.cohorts.items()}
        assert run_tap(tmp_path, {"inbox_db": db}, done.state).ok().records == 0
    finally:
        process.kill()
        process.process.stderr.close()


@pytest.mark.parametrize("failed_action", ["add_members", "remove_members"])
def test_the_whole_part_of_an_export_whose_other_part_failed_is_undone(failed_action):
    history = Histories()
    history.begin("members", 1)
    history.change(1, ["a", "b", "c", "d"])
    assert history.sync.run(1)
    history.pipeline(9, keeps_state=True, refresh=False)
    history.change(1, ["c", "d", "x", "y"])
    lost = {"add_members": "y", "remove_members": "b"}[failed_action]
    history.sync.fault = lambda call, _: (
        LOST if lost in json.dumps(call.body["parameters"]["members"]) else None
    )
    assert not history.sync.run(1)
    assert not history.sync.looks_complete()
    history.pipeline(9, keeps_state=True, refresh=False)
    history.change(1, ["a", "b", "c", "d"] if failed_action == "add_members" else ["c", "d"])
    history.teardown()
