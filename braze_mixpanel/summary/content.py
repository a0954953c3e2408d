"""Build the content of a run's summary. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import InputError, SettingsError, StoppedError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

VERSION: Final = 1
"""Grows when a field changes its meaning or goes away; new fields may come at any time."""
OUTCOMES: Final = {
    0: "success",
    InputError.exit_code: "input",
    TemporaryError.exit_code: "temporary",
    SettingsError.exit_code: "settings",
    StoppedError.exit_code: "stopped",
}
"""Exit code → its meaning in a word."""
UNFORESEEN: Final = "unforeseen"
_RETRIED: Final = frozenset({TemporaryError.exit_code, StoppedError.exit_code})


@dataclass(frozen=True)
class Reason:
    """Why records had no success.

    Attributes:
        outcome: `skipped`, `rejected` or `remark`.
        reason: The rule or answer.
        records: How many records it concerns.
    """

    outcome: str
    reason: str
    records: int


@dataclass(frozen=True)
class Stop:
    """Something that stopped the run, or a part of it, to protect the data.

    Attributes:
        subject: The setting, or the id of the cohort.
        message: Why, in one line.
    """

    subject: str
    message: str


@dataclass(frozen=True)
class RunFacts:
    """The facts of a run that its plugin knows.

    Attributes:
        counts: Numbers of records, members, files and requests; each plugin has its own.
        reasons: Why records were skipped or rejected.
        guards: What was stopped.
        lag_seconds: Age of the newest event that was read or imported; None if there is none.
        files_waiting: Files that a later run reads; None for a plugin without files.
        state_covers_until: Up to this time the source's data are covered by the STATE that the run
            wrote; None if it wrote none, or if the source's data have no time.
        dead_letter: Path or URL of the dead letter; None if nothing was written.
        dry_run: Whether nothing was sent.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()
    guards: Sequence[Stop] = ()
    lag_seconds: float | None = None
    files_waiting: int | None = None
    state_covers_until: datetime | None = None
    dead_letter: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Course:
    """When a run began and ended, and how.

    Attributes:
        plugin: Its name.
        package_version: Version of this package.
        began: When the command started, in UTC.
        ended: When it ended, in UTC.
        exit_code: The command's exit code.
        cause: Why it failed, in one line without secrets; None if it did not.
    """

    plugin: str
    package_version: str
    began: datetime
    ended: datetime
    exit_code: int
    cause: str | None


def summarize(course: Course, facts: RunFacts) -> dict[str, Any]:
    """Return the summary as JSON values; docs/operations.md describes each field."""
    return {
        "version": VERSION,
        "plugin": course.plugin,
        "package_version": course.package_version,
        "exit_code": course.exit_code,
        "outcome": OUTCOMES.get(course.exit_code, UNFORESEEN),
        "retry": course.exit_code in _RETRIED,
        "cause": course.cause,
        "started_at": _time(course.began),
        "ended_at": _time(course.ended),
        "seconds": round((course.ended - course.began).total_seconds(), 3),
        "dry_run": facts.dry_run,
        "counts": dict(facts.counts),
        "reasons": [
            {"outcome": one.outcome, "reason": one.reason, "records": one.records}
            for one in facts.reasons
        ],
        "guards": [{"subject": one.subject, "message": one.message} for one in facts.guards],
        "lag_seconds": None if facts.lag_seconds is None else round(facts.lag_seconds),
        "files_waiting": facts.files_waiting,
        "state_covers_until": _time(facts.state_covers_until),
        "dead_letter": facts.dead_letter,
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
