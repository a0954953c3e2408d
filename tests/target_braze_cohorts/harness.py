"""Runs target-braze-cohorts in this process, against a server, as Meltano would run it."""

from __future__ import annotations

import io
import itertools
import json
import logging
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import ConnectorError
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.fakes.fake_braze import API_KEY, DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from target_braze_cohorts.run.results import CohortResult


class ImpatientTarget(TargetBrazeCohorts):
    """Tries again without waiting."""

    retry_waits = staticmethod(lambda: itertools.repeat(0.0))


class Crash(BaseException):
    """The process dies here."""


def line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def schema(stream: str, *fields: str) -> bytes:
    properties = {name: {"type": ["null", "string"]} for name in fields}
    body = {"type": "object", "properties": properties}
    return line({"type": "SCHEMA", "stream": stream, "schema": body, "key_properties": []})


def record(stream: str, **values: Any) -> bytes:
    return line({"type": "RECORD", "stream": stream, "record": values})


def state(**value: Any) -> bytes:
    return line({"type": "STATE", "value": value})


def syncing(stream: str) -> bytes:
    return state(currently_syncing=stream)


def activate(stream: str = "cohort_members") -> bytes:
    return line({"type": "ACTIVATE_VERSION", "stream": stream, "version": 1})


def member(cohort_id: Any, distinct_id: Any, **more: Any) -> bytes:
    return record("cohort_members", cohort_id=cohort_id, distinct_id=distinct_id, **more)


def cohort(cohort_id: int, name: str | None, count: int | None = None) -> bytes:
    created = "2024-03-19T23:49:51.000000Z"
    return record("cohorts", id=cohort_id, name=name, created=created, count=count)


SCHEMAS = schema("cohorts", "id", "name") + schema("cohort_members", "cohort_id", "distinct_id")


def tap(
    members: Mapping[int, Iterable[str]],
    names: Mapping[int, str] | None = None,
    *,
    profiles: bytes = b"",
    with_counts: bool = True,
) -> list[bytes]:
    """Write lists as tap-mixpanel does: profiles, members, cohorts; STATE around them.

    Args:
        members: Cohort id → distinct ids.
        names: Cohort id → name; `Cohort 1` and so on where it has none.
        profiles: Lines of `engage`.
        with_counts: Whether cohorts say how many members they have.

    Returns:
        The lines.
    """
    lists = {cohort_id: list(people) for cohort_id, people in members.items()}
    lines = [syncing("engage"), *profiles.splitlines(keepends=True), state(), syncing("cohorts")]
    lines += SCHEMAS.splitlines(keepends=True)
    lines += [member(cohort_id, who) for cohort_id, people in lists.items() for who in people]
    lines += [
        cohort(
            cohort_id,
            (names or {}).get(cohort_id, f"Cohort {cohort_id}"),
            len(set(people)) if with_counts else None,
        )
        for cohort_id, people in lists.items()
    ]
    return [*lines, state()]


def full(members: Mapping[int, Iterable[str]], names: Mapping[int, str] | None = None) -> bytes:
    return b"".join(tap(members, names))


@dataclass
class Run:
    """What a run left behind."""

    error: BaseException | None
    stdout: str
    stderr: str
    rows: dict[str, CohortResult] = field(default_factory=dict)
    dead: list[dict[str, Any]] = field(default_factory=list)

    def ok(self) -> Run:
        assert self.error is None, repr(self.error)
        return self


def settings(braze: FakeBraze | None, folder: Path, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "rest_endpoint": braze.url if braze else "https://rest.example.com",
        "data_import_key": DATA_IMPORT_KEY,
        "partner_api_key": PARTNER_API_KEY,
        "membership_db": f"sqlite:///{folder}/cohorts.db",
        "dead_letter_path": str(folder / "dead_letter"),
        "retry_seconds": 1,
        "removal_guard_minimum": 0,
        **changes,
    }
    return {name: value for name, value in base.items() if value is not None}


def by_attribute(**changes: Any) -> dict[str, Any]:
    return {
        "delivery": "attribute",
        "api_key": API_KEY,
        "data_import_key": None,
        "partner_api_key": None,
        **changes,
    }


LENIENT = {"max_removal_ratio": 1, "allow_empty_cohorts": True}


@contextmanager
def logs_in(stderr: io.StringIO) -> Iterator[None]:
    """Write logs to standard error, as the command does."""
    handler, root = logging.StreamHandler(stderr), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def run(
    braze: FakeBraze | None,
    folder: Path,
    lines: bytes,
    *,
    target_class: type[TargetBrazeCohorts] = ImpatientTarget,
    **changes: Any,
) -> Run:
    """Run the target once over some input."""
    stdout, stderr = io.StringIO(), io.StringIO()
    error: BaseException | None = None
    with redirect_stdout(stdout), redirect_stderr(stderr), logs_in(stderr):
        target = target_class(config=settings(braze, folder, **changes))
        try:
            target.listen(io.BytesIO(lines))
        except (ConnectorError, Crash) as caught:
            error = caught
    reports = target.result.cohorts if target.result else []
    result = Run(
        error, stdout.getvalue(), stderr.getvalue(), {row.cohort_id: row for row in reports}
    )
    letters = folder / "dead_letter"
    for path in sorted(letters.iterdir()) if letters.exists() else ():
        messages = map(json.loads, path.read_text().strip().split("\n"))
        result.dead += [message for message in messages if message["type"] == "RECORD"]
        path.unlink()
    return result
