"""What Mixpanel pushes reaches Braze, whatever was lost and killed. See `killed_pipelines`."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.killed_pipelines import COHORTS, KilledPipeline, seeds
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.mixpanel_cohort_sync import ANSWER_LOST, CUT, LOST, TWICE, Call, CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, start_inbox

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
STEPS = 12


class PushedPipeline(KilledPipeline):
    """Mixpanel's sync, the inbox, and the pipeline behind it."""

    kills = (*KilledPipeline.kills, "inbox")

    def __init__(self, folder: Path, braze: FakeBraze, seed: int) -> None:
        super().__init__(folder, braze, seed)
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
        self.unsure: set[int] = set()

    def tap_settings(self) -> dict[str, Any]:
        return {"inbox_db": self.db, "profile_properties": [PROPERTY]}

    def change(self, number: int, people: list[str]) -> None:
        super().change(number, people)
        self.sync.cohort(number).people = {who: {PROPERTY: f"b-{who}"} for who in people}

    def rename(self, number: int, name: str) -> None:
        self.sync.cohort(number).name = name

    def names(self) -> dict[int, str]:
        return {number: cohort.name for number, cohort in self.sync.cohorts.items()}

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

    def kill_inbox(self) -> None:
        with self.restarting:
            self.inbox.kill()
            self.inbox.process.stderr.close()
            self.inbox = start_inbox(self.db, port=self.port)

    def require_inbox(self) -> None:
        with self.restarting:
            assert self.inbox.process.poll() is None, self.inbox.log

    def kill(self, what: str) -> None:
        if what == "inbox":
            self.kill_inbox()
        else:
            super().kill(what)

    def random_run(self) -> None:
        super().random_run()
        self.require_inbox()

    def settle(self) -> None:
        """Let every sync succeed, and require that Braze is equal."""
        for number in self.sync.cohorts:
            if number in self.unsure:
                # Mixpanel sends everybody after three days without success.
                self.sync.first_action = "members"
                self.sync.lose_snapshot(number)
            assert self.sync.run(number), self.inbox.log[-3:]
        self.require_equal()

    def close(self) -> None:
        self.inbox.kill()
        self.inbox.process.stderr.close()


def looks_complete(calls: list[Call], stored: set[tuple[str, int]]) -> bool:
    """Whether what failed looks to any receiver as if it had not."""
    totals = {call.action: call.body["parameters"]["page_info"]["total_pages"] for call in calls}
    counts = {action: sum(action == one for one, _ in stored) for action in totals}
    whole = [counts[action] == totals[action] for action in totals]
    return any(whole) and all(
        done or not counts[action] for done, action in zip(whole, totals, strict=True)
    )


@pytest.mark.parametrize("seed", seeds(4 if os.environ.get("EXHAUSTIVE") else 2))
def test_braze_holds_the_cohorts_whatever_was_killed_and_lost(tmp_path, seed) -> None:
    with FakeBraze() as braze:
        pipeline = PushedPipeline(tmp_path, braze, seed)
        try:
            for _ in range(STEPS):
                step = pipeline.chance.random()
                if step < 0.35:
                    pipeline.random_change()
                elif step < 0.65:
                    pipeline.push()
                else:
                    pipeline.random_run()
            pipeline.settle()
        finally:
            pipeline.close()
