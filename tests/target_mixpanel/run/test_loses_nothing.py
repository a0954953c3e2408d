"""Any failures in any order: every event once, no STATE ahead of its records.

A model of a tap that goes on from the last STATE, a target that may die between any two steps, and
a Mixpanel that limits, fails, rejects, and breaks connections before and after it took the events.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.braze_mixpanel.files.stores import cloud
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    ImpatientTarget,
    dead_letters,
    record,
    schema,
    state,
)
from tests.target_mixpanel.harness import settings as target_settings

if TYPE_CHECKING:
    from tests.braze_mixpanel.files.stores import Cloud

FUTURE_FOR_THE_SERVER = TIME
SERVER_NOW = TIME - 10_000
PAST = TIME - 20_000
KINDS = ("valid", "valid", "valid", "rejected by the server", "refused here", "anonymous")


class Death(BaseException):
    """The process is gone; nothing after this step happened."""


@dataclass
class Fate:
    """Lets a process live for so many steps, in all its threads."""

    steps: int

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self.steps -= 1
            if self.steps < 0:
                raise Death


def made(number: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"event-{number}",
        "time": {
            "rejected by the server": FUTURE_FOR_THE_SERVER,
            "refused here": None,
        }.get(kind, PAST),
        "external_user_id": None if kind == "anonymous" else f"user-{number}",
    }


class Letters(Protocol):
    """Where the dead letters go."""

    def settings(self) -> dict[str, Any]:
        """The settings that name the place."""

    def make_mortal(self, target: ImpatientTarget, fate: Fate) -> None:
        """Let the target die around each request for a dead letter."""

    def records(self) -> list[dict[str, Any]]:
        """All RECORD messages that are safe now."""


class InFolder:
    """Dead letters on a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self) -> dict[str, Any]:
        return {"dead_letter_path": str(self.folder / "dead_letter")}

    def make_mortal(self, target: ImpatientTarget, fate: Fate) -> None:
        pass

    def records(self) -> list[dict[str, Any]]:
        return dead_letters(self.folder)


class InStore:
    """Dead letters in a store, where each part is a request."""

    def __init__(self, place: Cloud) -> None:
        self.place = place

    def settings(self) -> dict[str, Any]:
        return {"dead_letter_path": self.place.url, "path_options": self.place.options}

    def make_mortal(self, target: ImpatientTarget, fate: Fate) -> None:
        folder = target.dead_letter._file._folder
        write = folder.write

        def mortal_write(*arguments: Any) -> None:
            fate.step()
            write(*arguments)
            fate.step()

        folder.write = mortal_write

    def records(self) -> list[dict[str, Any]]:
        return self.place.records()


class World:
    """The tap's records, the server, the folder, and the STATE that Meltano has stored."""

    def __init__(
        self,
        kinds: list[str],
        state_every: int,
        server: FakeMixpanel,
        folder: Path,
        letters: Letters,
    ):
        self.kinds, self.state_every = kinds, state_every
        self.server, self.folder, self.letters = server, folder, letters
        self.stored = 0
        """How many records the stored STATE covers."""

    def of_kind(self, *kinds: str, before: int | None = None) -> set[str]:
        return {f"event-{n}" for n, kind in enumerate(self.kinds[:before]) if kind in kinds}

    def run(self, fate: Fate, batch_size: int) -> BaseException | None:
        target = ImpatientTarget(
            config=target_settings(
                self.server,
                self.folder,
                batch_size=batch_size,
                concurrency=3,
                max_rejected_ratio=1,
                **self.letters.settings(),
            )
        )
        self.letters.make_mortal(target, fate)
        target.write_state = lambda value: self.store(value, fate)
        client = target.client
        send = client.import_events

        def mortal_send(events: Any) -> Any:
            fate.step()
            answer = send(events)
            fate.step()
            return answer

        client.import_events = mortal_send
        try:
            target.message_reader.begin()
            for block in self.input():
                fate.step()
                target.message_reader._process_block([block], self.callbacks(target), _Counts())
                target.pipeline.between_blocks()
            fate.step()
            target.process_endofpipe()
        except Death as death:
            bury_alive(target)
            return death
        return None

    def callbacks(self, target: ImpatientTarget) -> dict[str, Any]:
        return {
            "SCHEMA": target._process_schema_message,
            "STATE": target._process_state_message,
        }

    def input(self) -> list[bytes]:
        lines = [schema().strip()]
        for number in range(self.stored, len(self.kinds)):
            lines.append(record(made(number, self.kinds[number])).strip())
            if (number + 1) % self.state_every == 0:
                lines.append(state(number + 1).strip())
        return [*lines, state(len(self.kinds)).strip()]

    def store(self, value: dict[str, Any], fate: Fate) -> None:
        fate.step()
        covered = value["bookmarks"][STREAM]
        assert covered >= self.stored, "STATE went backwards"
        assert self.of_kind("valid", before=covered) <= self.server.insert_ids(), "STATE ran ahead"
        self.check_dead(covered)
        self.stored = covered
        fate.step()

    def check_dead(self, covered: int) -> None:
        dead = {message["record"]["id"] for message in self.letters.records()}
        wanted = self.of_kind("rejected by the server", "refused here", before=covered)
        assert wanted <= dead, "not safe"


def bury_alive(target: ImpatientTarget) -> None:
    """Let go of threads and files as the operating system would: nothing more is written."""
    target.sender._loop.stop("The process died.")
    file = getattr(target.dead_letter._file, "_file", None)
    if file is not None:
        file.raw.close()


class _Counts(dict):
    def __missing__(self, key: str) -> int:
        return 0

    def total(self) -> int:
        return 0


HISTORIES = {
    "kinds": st.lists(st.sampled_from(KINDS), max_size=30),
    "state_every": st.integers(1, 7),
    "batch_size": st.integers(1, 8),
    "troubles": st.lists(st.none() | st.sampled_from(faults.PASSING), max_size=25),
    "lives": st.lists(st.integers(0, 40), max_size=4),
}


def live_through(
    letters: Letters,
    *,
    kinds: list[str],
    state_every: int,
    batch_size: int,
    troubles: list[Any],
    lives: list[int],
) -> None:
    with (
        FakeMixpanel(now=lambda: SERVER_NOW, policy=troubles) as server,
        TemporaryDirectory() as folder,
    ):
        world = World(kinds, state_every, server, Path(folder), letters)
        for steps in lives:
            world.run(Fate(steps), batch_size)
        assert world.run(Fate(1_000_000), batch_size) is None
        assert server.insert_ids() == world.of_kind("valid")
        assert server.count == len(world.of_kind("valid"))
        world.check_dead(len(kinds))
        assert world.stored == len(kinds)


@pytest.mark.slow
@settings(max_examples=80)
@given(**HISTORIES)
def test_every_event_once_and_no_state_ahead_of_its_records(**history: Any) -> None:
    with TemporaryDirectory() as folder:
        live_through(InFolder(Path(folder)), **history)


@pytest.mark.slow
@settings(max_examples=80)
@given(**HISTORIES)
def test_no_state_ahead_of_the_dead_letters_in_a_store(**history: Any) -> None:
    with cloud() as place:
        live_through(InStore(place), **history)
