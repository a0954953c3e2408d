"""Random histories of Mixpanel's sync, inbox, tap and target, each killed at any moment.

Real processes and SIGKILL, a few histories. For more of them, or one again:

    COHORT_HISTORIES=50 pytest tests/end_to_end/test_killed_cohort_pipelines.py
    COHORT_HISTORIES=17:18 pytest tests/end_to_end/test_killed_cohort_pipelines.py
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.fake_braze import (
    API_KEY,
    BROKEN,
    DATA_IMPORT_KEY,
    LOST_ANSWER,
    PARTNER_API_KEY,
    FakeBraze,
    Fault,
    Request,
)
from tests.fakes.mixpanel_cohort_sync import ANSWER_LOST, CUT, LOST, TWICE, Call, CohortSync
from tests.tap_mixpanel_cohorts.harness import (
    BIN,
    PASSWORD,
    PROPERTY,
    USER,
    environment,
    messages_of,
    start_inbox,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
PEOPLE = [f"u{number}" for number in range(40)]
COHORTS = (1, 2)
STEPS = 12


def seeds() -> range:
    """Which histories to try."""
    first, _, last = os.environ.get("COHORT_HISTORIES", "4").rpartition(":")
    return range(int(first or 0), int(last))


class World:
    """Mixpanel, the inbox, the pipeline and Braze, and what is known of each."""

    def __init__(self, folder: Path, braze: FakeBraze, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.braze = braze
        self.by_attribute = seed % 2 == 1
        self.db = f"sqlite:///{folder}/inbox.db"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.inbox = start_inbox(self.db, port=self.port)
        self.restarting = threading.Lock()
        self.sync = CohortSync(
            self.inbox.url,
            auth=(USER, PASSWORD),
            first_action=self.chance.choice(["members", "add_members"]),
            ids_as_text=self.chance.random() < 0.5,
            at_once=3,
            pause=0.5,
            seed=seed,
            page_size=4,
        )
        self.state: dict[str, Any] | None = None
        self.history: dict[int, list[set[str]]] = {number: [set()] for number in COHORTS}
        self.entered: dict[tuple[int, str], int] = {}
        self.unsure: set[int] = set()
        braze.policy = self.watch
        self.faults: list[Fault | None] = []
        self.kill_at_write: int | None = None
        self.target: subprocess.Popen[bytes] | None = None
        self.log = ""

    # Mixpanel

    def change(self, number: int, people: list[str]) -> None:
        cohort = self.sync.cohort(number)
        cohort.people = {who: {PROPERTY: f"b-{who}"} for who in people}
        self.history[number].append(set(people))

    def random_change(self) -> None:
        number = self.chance.choice(COHORTS)
        what = self.chance.random()
        if what < 0.15:
            self.sync.cohort(number).name = f"{self.chance.choice('ABC')}{number}"
        elif what < 0.25:
            self.change(number, [])
        else:
            self.change(number, self.chance.sample(PEOPLE, self.chance.randrange(1, 30)))

    def push(self) -> None:
        """Sync one cohort; calls get lost, and the inbox dies and is started again."""
        number = self.chance.choice(COHORTS)
        kinds = [None, None, None, TWICE, LOST, ANSWER_LOST, CUT, "kill"]
        lasting = self.chance.choice([None, None, LOST, ANSWER_LOST])
        lasting_from = self.chance.randrange(8)
        seen: list[Call] = []
        stored: set[tuple[str, int]] = set()
        maybe = False
        lock = threading.Lock()

        def fault(call: Call, number_of_try: int) -> str | None:
            nonlocal maybe
            with lock:
                if call not in seen:
                    seen.append(call)
                kind = self.chance.choice(kinds) if number_of_try == 0 else None
                if lasting and seen.index(call) >= lasting_from:
                    kind = lasting
                if kind == "kill":
                    maybe = True
                    kind = None
                    threading.Thread(target=self.kill_inbox).start()
                if kind not in {LOST, CUT}:
                    page = call.body["parameters"]["page_info"]["page_count"]
                    stored.add((call.action, page))
            return kind

        self.sync.fault = fault
        if not self.sync.run(number) and (maybe or looks_complete(seen, stored)):
            self.unsure.add(number)
        self.sync.fault = lambda _call, _number: None
        self.require_inbox()

    # The inbox

    def kill_inbox(self) -> None:
        with self.restarting:
            self.inbox.kill()
            self.inbox.process.stderr.close()
            self.inbox = start_inbox(self.db, port=self.port)

    def require_inbox(self) -> None:
        with self.restarting:
            assert self.inbox.process.poll() is None, self.inbox.log

    # The pipeline

    def watch(self, request: Request) -> Fault | None:
        """See every request to Braze: nobody who stayed may leave."""
        number = self.cohort_of(request)
        for who in (name.removeprefix("b-") for name in request.removes):
            assert number is not None
            since = self.history[number][self.entered.get((number, who), 0) :]
            if not any(who not in people for people in since):
                self.log += f"{who} was removed from {number} for nothing\n"
        for who in (name.removeprefix("b-") for name in request.adds):
            if f"b-{who}" not in self.held(number):
                self.entered[number, who] = len(self.history[number]) - 1
        if self.kill_at_write is not None:
            self.kill_at_write -= 1
            if self.kill_at_write < 0 and self.target:
                self.target.kill()
        return self.faults.pop() if self.faults else None

    def cohort_of(self, request: Request) -> int | None:
        label = request.body.get("cohort_id")
        for user in request.body.get("attributes", ()):
            label = next(iter(user["mixpanel_cohorts"].values()))[0]
        return None if label is None else int(label)

    def held(self, number: int) -> set[str]:
        """Who is in a cohort in Braze; callable inside of a request."""
        label = str(number)
        if self.by_attribute:
            return {who for who, values in self.braze.values.items() if label in values}
        return self.braze.cohorts[label].members if label in self.braze.cohorts else set()

    def settings(self) -> dict[str, Any]:
        keys = (
            {"delivery": "attribute", "api_key": API_KEY, "attribute_value": "id"}
            if self.by_attribute
            else {"data_import_key": DATA_IMPORT_KEY, "partner_api_key": PARTNER_API_KEY}
        )
        return {
            "rest_endpoint": self.braze.url,
            "membership_db": f"sqlite:///{self.folder}/cohorts.db",
            "dead_letter_path": str(self.folder / "dead_letter"),
            "external_id_property": PROPERTY,
            "max_removal_ratio": 1,
            "allow_empty_cohorts": True,
            "retry_seconds": 0,
            **keys,
        }

    def run(self, *, tap_bytes: int | None = None, keeps_state: bool = True) -> tuple[int, int]:
        """Run `tap | target` as Meltano does; gives both exit codes.

        Args:
            tap_bytes: After how many bytes of its output the tap is killed.
            keeps_state: Whether what the target says is kept for the next run.
        """
        tap = {"inbox_db": self.db, "profile_properties": [PROPERTY]}
        (self.folder / "tap.json").write_text(json.dumps(tap))
        (self.folder / "target.json").write_text(json.dumps(self.settings()))
        given = ["--config", str(self.folder / "tap.json")]
        if self.state is not None:
            (self.folder / "state.json").write_text(json.dumps(self.state))
            given += ["--state", str(self.folder / "state.json")]
        with (self.folder / "log").open("wb") as log:
            source = subprocess.Popen(
                [BIN / "tap-mixpanel-cohorts", *given],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
            self.target = target = subprocess.Popen(
                [BIN / "target-braze-cohorts", "--config", self.folder / "target.json"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
            relay(source, target, tap_bytes)
            output = target.stdout.read()
            codes = source.wait(60), target.wait(60)
            source.stdout.close()
            target.stdout.close()
        self.target = None
        whole = output[: output.rfind(b"\n") + 1]
        if keeps_state and whole:
            self.state = messages_of(whole)[-1]
        return codes

    def random_run(self) -> None:
        what = self.chance.choice(
            ["tap", "target", "late target", "inbox", "braze", "no state", ""]
        )
        timer = threading.Timer(self.chance.uniform(0.3, 1.6), self.killer(what))
        if what == "target":
            self.kill_at_write = self.chance.randrange(6)
        if what == "braze":
            self.faults = self.chance.choices([None, LOST_ANSWER, BROKEN, Fault(503)], k=4)
        if what in {"late target", "inbox"}:
            timer.start()
        self.run(
            tap_bytes=self.chance.randrange(4000) if what == "tap" else None,
            keeps_state=what != "no state",
        )
        timer.cancel()
        if timer.is_alive():
            timer.join()
        self.kill_at_write, self.faults = None, []
        self.require_inbox()

    def killer(self, what: str):
        return self.kill_inbox if what == "inbox" else lambda: self.target and self.target.kill()

    # The end

    def settle(self) -> None:
        """After a good sync and a whole run all is equal, and a second run sends nothing."""
        for number in self.sync.cohorts:
            if number in self.unsure:
                # Mixpanel sends everybody after three days without success.
                self.sync.first_action = "members"
                self.sync.lose_snapshot(number)
            assert self.sync.run(number), self.inbox.log[-3:]
        assert self.run() == (0, 0), (self.folder / "log").read_text()
        for number, cohort in self.sync.cohorts.items():
            assert self.held(number) == {f"b-{who}" for who in cohort.people}
            if not self.by_attribute:
                assert self.braze.cohorts[str(number)].name == cohort.name
        before = len(self.braze.requests)
        assert self.run() == (0, 0), (self.folder / "log").read_text()
        assert len(self.braze.requests) == before
        assert not self.log


def relay(
    source: subprocess.Popen[bytes], target: subprocess.Popen[bytes], most: int | None
) -> None:
    """Carry the tap's output to the target, and kill the tap after so many bytes."""
    assert source.stdout
    assert target.stdin
    try:
        while block := source.stdout.read1(500):
            target.stdin.write(block[:most])
            target.stdin.flush()
            if most is not None:
                most -= len(block)
                if most <= 0:
                    break
        if most is not None:
            source.kill()
    except BrokenPipeError:  # the target was killed
        source.kill()
    finally:
        with suppress(BrokenPipeError):
            target.stdin.close()


def looks_complete(calls: list[Call], stored: set[tuple[str, int]]) -> bool:
    """Whether what failed looks to any receiver as if it had not."""
    totals = {call.action: call.body["parameters"]["page_info"]["total_pages"] for call in calls}
    counts = {action: sum(action == one for one, _ in stored) for action in totals}
    whole = [counts[action] == totals[action] for action in totals]
    return any(whole) and all(
        done or not counts[action] for done, action in zip(whole, totals, strict=True)
    )


@pytest.mark.parametrize("seed", seeds())
def test_braze_holds_the_cohorts_whatever_was_killed_and_lost(tmp_path, seed) -> None:
    with FakeBraze() as braze:
        world = World(tmp_path, braze, seed)
        try:
            for _ in range(STEPS):
                step = world.chance.random()
                if step < 0.35:
                    world.random_change()
                elif step < 0.65:
                    world.push()
                else:
                    world.random_run()
            world.settle()
        finally:
            world.inbox.kill()
            world.inbox.process.stderr.close()
