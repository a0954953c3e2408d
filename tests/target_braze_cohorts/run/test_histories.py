"""Random histories: lists that change, runs that crash, answers that get lost, taps cut short.

The machines differ in the way of delivery and in how many requests are in flight.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from braze_mixpanel.errors import InputError, StoppedError
from braze_mixpanel.http.send_loop import SendLoop
from target_braze_cohorts.braze.client import BrazeClient
from target_braze_cohorts.braze.cohort_import import CohortImport
from target_braze_cohorts.braze.user_attribute import UserAttribute
from target_braze_cohorts.intake.identity import nobody
from target_braze_cohorts.store.membership import MembershipStore
from tests.fakes.fake_braze import BROKEN, LOST_ANSWER, FakeBraze, Fault
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    Crash,
    activate,
    by_attribute,
    cohort,
    member,
    run,
    state,
    syncing,
    tap,
)

USERS = [f"u{number}" for number in range(9)]
COHORTS = [1, 2, 3]
NAMES = ["red", "green", "blue", "black", "white"]
STEPS = [
    (MembershipStore, name)
    for name in (
        "open_list",
        "begin_rename",
        "set_name",
        "begin_resync",
        "set_delivered",
        "drop_list",
        "intend",
        "acknowledge",
        "set_refused",
        "forget",
    )
] + [(BrazeClient, "_post")]
FAULTS = [LOST_ANSWER, BROKEN, *map(Fault, (503, 429, 423, 400))]

people = st.sets(st.sampled_from(USERS))


@contextmanager
def stopped_at(request):
    """Stop the run, as SIGTERM does, while a request is sent; others may be in flight."""
    left = request
    send = SendLoop._send_counted

    def stopping(self, send_once):
        nonlocal left
        left -= 1
        if left < 0:
            self.stop("Stopped by SIGTERM")
        return send(self, send_once)

    with patch.object(SendLoop, "_send_counted", stopping):
        yield


@contextmanager
def crash_at(step):
    """Die before or after one of the steps that the target and its store take in turn."""
    left = step

    def tick():
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash

    def breakable(method):
        def call(*args, **kwargs):
            tick()
            result = method(*args, **kwargs)
            tick()
            return result

        return call

    with ExitStack() as patches:
        for owner, name in STEPS:
            patches.enter_context(patch.object(owner, name, breakable(getattr(owner, name))))
        yield


def changes_refused(request):
    return Fault(400) if request.adds or request.removes else None


class Histories(RuleBasedStateMachine):
    """What the source holds, what runs are made of it, and what Braze then holds."""

    config: ClassVar[dict[str, object]] = {}
    has_names = True
    page = 3
    seconds = 0.0

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.wanted = {}
        self.names = {}
        self.seen = 0
        self.strangers_came = False
        self.may_refuse = False
        self.policy = lambda _: None
        self.braze = FakeBraze(users=USERS[:6], policy=self.fault_for, seconds=self.seconds)
        self.braze.__enter__()

    def fault_for(self, request):
        return self.policy(request)

    def teardown(self):
        self.braze.__exit__()
        shutil.rmtree(self.folder)

    def label(self, cohort):
        return str(cohort)

    def run(self, lines, **changes):
        self.policy = changes.pop("policy", lambda _: None)
        config = {**LENIENT, "clear_vanished_cohorts": True, **self.config, **changes}
        started = len(self.braze.requests)
        with (
            patch.object(CohortImport, "most_users", self.page),
            patch.object(UserAttribute, "most_users", self.page),
        ):
            result = run(self.braze, self.folder, b"".join(lines), **config)
        self.check_requests(self.braze.requests[started:])
        return result, self.braze.requests[started:]

    def lines(self, **options):
        return tap(self.wanted, self.names, **options)

    def check_requests(self, requests):
        adds, removes = set(), set()
        for request in requests:
            bad = request.status == 400 and request.body.get("attributes", True)
            assert not bad or self.may_refuse or self.braze.malformed
            assert len(request.adds) + len(request.removes) <= self.page
            label = self.label_in(request)
            adds |= {(label, who) for who in request.adds}
            removes |= {(label, who) for who in request.removes}
        assert not adds & removes
        wanted = {
            (self.label(cohort), who) for cohort, members in self.wanted.items() for who in members
        }
        assert not removes & wanted

    def label_in(self, request):
        return request.body.get("cohort_id")

    # The source

    @initialize(members=people)
    def begin(self, members):
        self.wanted[1], self.names[1] = members, "red"

    @rule(cohort=st.sampled_from(COHORTS), members=people)
    def members_change(self, cohort, members):
        if cohort not in self.wanted:
            self.names[cohort] = next(n for n in NAMES if n not in self.names.values())
        self.wanted[cohort] = members

    @rule(cohort=st.sampled_from(COHORTS), name=st.sampled_from(NAMES))
    def rename(self, cohort, name):
        if cohort in self.wanted and name not in self.names.values():
            self.names[cohort] = name

    @precondition(lambda self: {1, 2} <= self.names.keys())
    @rule()
    def swap_names(self):
        self.names[1], self.names[2] = self.names[2], self.names[1]

    @rule(cohort=st.sampled_from(COHORTS))
    def cohort_vanishes(self, cohort):
        if self.wanted.keys() != {cohort}:
            self.wanted.pop(cohort, None)
            self.names.pop(cohort, None)

    @rule(users=st.sets(st.sampled_from(USERS), min_size=1, max_size=3))
    def braze_dislikes(self, users):
        """From here on it answers 400 to each request with them in it."""
        self.braze.malformed = users

    @rule()
    def braze_likes_everybody_again(self):
        self.braze.malformed = set()

    @rule(user=st.sampled_from(USERS))
    def user_comes_to_exist(self, user):
        if user not in self.braze.users:
            self.braze.users.add(user)
            self.strangers_came = True

    # Runs

    @rule(resync=st.booleans(), with_counts=st.booleans())
    def clean_run(self, resync, with_counts):
        self.braze.malformed = set()
        result, _ = self.run(
            self.lines(with_counts=with_counts), full_resync_days=0 if resync else 7
        )
        result.ok()
        if resync:
            self.strangers_came = False
        for number in COHORTS:
            members = self.braze.members(self.label(number)) if number in self.names else set()
            wanted = self.wanted.get(number, set()) & self.braze.users
            if self.strangers_came:
                assert members <= wanted
            else:
                assert members == wanted
        self.check_names()
        assert self.run(self.lines())[1] == []

    @rule()
    def run_in_spite_of_people_whom_braze_refuses(self):
        """They keep nobody else out or in, however few are left in a list."""
        refused = self.braze.malformed
        result, _ = self.run(self.lines())
        assert result.error is None or isinstance(result.error, InputError)
        for number in COHORTS:
            members = self.braze.members(self.label(number)) if number in self.names else set()
            wanted = self.wanted.get(number, set()) & self.braze.users - refused
            if self.strangers_came:
                assert members - refused <= wanted
            else:
                assert members - refused == wanted
        for label in self.all_labels() - {self.label(number) for number in self.names}:
            assert self.braze.members(label) <= refused

    def check_names(self):
        for number, name in self.names.items():
            if self.has_names:
                assert self.braze.cohorts[str(number)].name == name
        known = {self.label(cohort) for cohort in self.names}
        for label in self.all_labels() - known:
            assert self.braze.members(label) == set()

    def all_labels(self):
        return set(self.braze.cohorts)

    @rule(
        lines=st.sampled_from(
            [
                SCHEMAS + activate("cohorts") + activate(),
                syncing("engage") + SCHEMAS + state(),
                syncing("cohorts") + SCHEMAS + state(),
            ]
        )
    )
    def tap_sends_no_record(self, lines):
        assert not any(request.removes for request in self.run([lines])[1])

    @rule(gone=people, chosen=st.sampled_from(COHORTS))
    def tap_sends_members_who_are_none(self, gone, chosen):
        others = gone - self.wanted.get(chosen, set())
        lines = [member(chosen, who, should_remove=True) for who in others]
        _, requests = self.run([SCHEMAS, *lines])
        assert not any(others.intersection(request.adds) for request in requests)

    @rule()
    def tap_sends_no_names(self):
        named = {key: held.name for key, held in self.braze.cohorts.items() if held.members}
        lines = [member(key, who) for key, members in self.wanted.items() for who in members]
        self.run([SCHEMAS, *lines])
        for key, name in named.items():
            assert self.braze.cohorts[key].name == name

    @rule(share=st.floats(0, 1))
    def tap_is_cut_short(self, share):
        lines = self.lines(with_counts=False)[:-1]
        data = b"".join(lines)
        result, requests = self.run([data[: int(len(data) * share)]])
        removed = {who for request in requests for who in request.removes}
        assert not removed - {nobody("external_id")}  # it only tests whether Braze takes requests
        if self.wanted and share == 1:
            assert result.error

    @rule(share=st.floats(0, 1))
    def tap_with_counts_is_cut_short(self, share):
        data = b"".join(self.lines())
        self.run([data[: int(len(data) * share)]])

    @rule(step=st.integers(0, 30), resync=st.booleans())
    def crash(self, step, resync):
        with crash_at(step):
            self.run(self.lines(), full_resync_days=0 if resync else 7)

    @rule(request=st.integers(0, 20), resync=st.booleans())
    def stop(self, request, resync):
        with stopped_at(request):
            result, _ = self.run(self.lines(), full_resync_days=0 if resync else 7)
        assert result.error is None or isinstance(result.error, StoppedError | InputError)

    @rule(faults=st.lists(st.sampled_from([None, *FAULTS]), max_size=8), patient=st.booleans())
    def braze_fails(self, faults, patient):
        coming = iter(faults)
        self.may_refuse = Fault(400) in faults or bool(self.braze.malformed)
        result, _ = self.run(
            self.lines(),
            policy=lambda _: next(coming, None),
            retry_seconds=600 if patient else 0,
        )
        assert result.error is None or not patient or self.may_refuse
        self.may_refuse = False

    @rule(resync=st.booleans())
    def braze_takes_no_change(self, resync):
        self.may_refuse = True
        days = 0 if resync else 7
        self.run(self.lines(), policy=changes_refused, full_resync_days=days)
        self.may_refuse = False

    @invariant()
    def names_are_unique(self):
        assert len(set(self.names.values())) == len(self.names)


class ByAttribute(Histories):
    """Values of the attribute are names, so that a rename moves everybody."""

    config = by_attribute()
    has_names = False

    def label(self, cohort):
        return self.names.get(cohort, str(cohort))

    def label_in(self, request):
        for user in request.body.get("attributes", ()):
            for value in user.values():
                if isinstance(value, dict):
                    return next(iter(value.values()))[0]
        return None

    @rule(chosen=st.sampled_from(COHORTS), members=people)
    def a_stranger_comes_alone_under_a_name(self, chosen, members):
        """The tap dies after a new cohort of the same name, whose count is right."""
        self.braze.malformed = set()
        self.run(self.lines())
        if chosen in self.names:
            first = cohort(9, self.names[chosen], len(members))
            lines = [SCHEMAS, first, *(member(9, who) for who in members)]
            assert self.run(lines)[1] == []

    def all_labels(self):
        return {value for values in self.braze.values.values() for value in values}


class ManyInFlight(Histories):
    """Each person in a request of their own, and answers that overtake each other."""

    config: ClassVar[dict[str, object]] = {"concurrency": 12}
    page = 1
    seconds = 0.001


class ManyInFlightByAttribute(ByAttribute):
    """The same by attribute, where a rename moves everybody."""

    config: ClassVar[dict[str, object]] = by_attribute(concurrency=12)
    page = 1
    seconds = 0.001


class OneAfterTheOther(Histories):
    """One request in flight."""

    config: ClassVar[dict[str, object]] = {"concurrency": 1}


MACHINES = [Histories, ByAttribute, ManyInFlight, ManyInFlightByAttribute, OneAfterTheOther]
RUNS = hypothesis_settings(max_examples=10, stateful_step_count=14)


@pytest.mark.parametrize("machine", MACHINES)
def test_braze_holds_what_was_wanted_after_any_history(machine):
    case = machine.TestCase()
    case.settings = RUNS
    case.runTest()
