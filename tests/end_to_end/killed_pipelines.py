"""Pipelines of cohorts into Braze as processes that are killed at any moment.

Random histories over real processes and SIGKILL, a few of them. For more, or for one again:

    COHORT_HISTORIES=50 pytest tests/end_to_end/test_killed_cohort_pipelines.py
    COHORT_HISTORIES=17:18 pytest tests/end_to_end/test_killed_cohort_pipelines.py
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

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
from tests.tap_mixpanel_cohorts.harness import BIN, PROPERTY, environment, messages_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PEOPLE = [f"u{number}" for number in range(40)]
COHORTS = (1, 2)


def seeds(usual: int) -> range:
    """Which histories to try."""
    first, _, last = os.environ.get("COHORT_HISTORIES", str(usual)).rpartition(":")
    return range(int(first or 0), int(last))


class KilledPipeline(ABC):
    """`tap | target` into Braze, and what is known of both ends.

    A subclass is one source: it says what the tap's settings are and what can be killed besides.
    """

    kills = ("tap", "tap", "tap", "target", "late target", "braze", "no state", "")

    def __init__(self, folder: Path, braze: FakeBraze, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.braze = braze
        self.by_attribute = seed % 2 == 1
        self.state: dict[str, Any] | None = None
        self.history: dict[int, list[set[str]]] = {number: [set()] for number in COHORTS}
        """What each cohort in Mixpanel was, one after another."""
        self.entered: dict[tuple[int, str], int] = {}
        """Which of these it was when somebody came into the cohort in Braze."""
        braze.policy = self.watch
        self.faults: list[Fault | None] = []
        self.kill_at_write: int | None = None
        self.target: subprocess.Popen[bytes] | None = None
        self.wrong = ""

    # The source

    @abstractmethod
    def tap_settings(self) -> dict[str, Any]: ...

    def change(self, number: int, people: list[str]) -> None:
        self.history[number].append(set(people))

    @abstractmethod
    def rename(self, number: int, name: str) -> None: ...

    @abstractmethod
    def names(self) -> Mapping[int, str]: ...

    def random_change(self) -> None:
        number = self.chance.choice(COHORTS)
        what = self.chance.random()
        if what < 0.15:
            self.rename(number, f"{self.chance.choice('ABC')}{number}")
        elif what < 0.25:
            self.change(number, [])
        else:
            self.change(number, self.chance.sample(PEOPLE, self.chance.randrange(1, 30)))

    # The pipeline

    def watch(self, request: Request) -> Fault | None:
        """See every request to Braze: nobody who stayed may leave."""
        number = self.cohort_of(request)
        for who in (name.removeprefix("b-") for name in request.removes):
            assert number is not None
            since = self.history[number][self.entered.get((number, who), 0) :]
            if not any(who not in people for people in since):
                self.wrong += f"{who} was removed from {number} for nothing\n"
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

    def target_settings(self) -> dict[str, Any]:
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
        (self.folder / "tap.json").write_text(json.dumps(self.tap_settings()))
        (self.folder / "target.json").write_text(json.dumps(self.target_settings()))
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
        what = self.chance.choice(self.kills)
        timer = threading.Timer(self.chance.uniform(0.3, 1.6), self.kill, [what])
        if what == "target":
            self.kill_at_write = self.chance.randrange(6)
        if what == "braze":
            self.faults = self.chance.choices([None, LOST_ANSWER, BROKEN, Fault(503)], k=4)
        if what in {"late target", "inbox"}:
            timer.start()
        self.run(
            tap_bytes=self.chance.randrange(900, 6000) if what == "tap" else None,
            keeps_state=what != "no state",
        )
        timer.cancel()
        if timer.is_alive():
            timer.join()
        self.kill_at_write, self.faults = None, []

    def kill(self, what: str) -> None:
        """Kill a process besides the tap."""
        del what
        if self.target:
            self.target.kill()

    # The end

    def require_equal(self) -> None:
        """Require that a whole run makes all equal, and that a second one sends nothing."""
        assert self.run() == (0, 0), (self.folder / "log").read_text()
        for number, name in self.names().items():
            assert self.held(number) == {f"b-{who}" for who in self.history[number][-1]}
            if not self.by_attribute:
                assert self.braze.cohorts[str(number)].name == name
        before = len(self.braze.requests)
        assert self.run() == (0, 0), (self.folder / "log").read_text()
        assert len(self.braze.requests) == before
        assert not self.wrong


def relay(
    source: subprocess.Popen[bytes], target: subprocess.Popen[bytes], most: int | None
) -> None:
    """Carry the tap's output to the target, and kill the tap after so many bytes.

    An even number ends between two lines, which looks to the target like the end of a good run.
    """
    assert source.stdout
    assert target.stdin
    try:
        left = most
        for line in source.stdout:
            if left is not None and left < len(line):
                source.kill()
                target.stdin.write(b"" if most % 2 == 0 else line[:left])
                break
            target.stdin.write(line)
            target.stdin.flush()
            left = None if left is None else left - len(line)
    except BrokenPipeError:  # the target was killed
        source.kill()
    finally:
        with suppress(BrokenPipeError):
            target.stdin.close()
