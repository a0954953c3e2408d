"""Write the people whom a dry run would add and remove: some to the log, all to a private file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.clean_text import Lines, one_line
from braze_mixpanel.files.run_file import make_run_file
from target_braze_cohorts.intake.identity import track_identity
from target_braze_cohorts.planning.changes import Change
from target_braze_cohorts.store.staged_changes import emptying_queue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from braze_mixpanel.files.run_file import RunFile
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.planning.jobs import Job
    from target_braze_cohorts.run.results import CohortResult, RunResult
    from target_braze_cohorts.store.staged_changes import StagedChanges

MOST_SHOWN: Final = 10
"""The most people in the log for each cohort and change."""
_PAGE: Final = 5000
_LONGEST_SHOWN: Final = 40
_WORDS: Final = {Change.ADD: "add", Change.REMOVE: "remove"}
_email = re.compile(r"([^@\s])(?:[^@\s]{2,}(?=[^@\s]@)|[^@\s]*)([^@\s]?@\S+)").fullmatch
_phone = re.compile(r"(\+\d{2})\d+(\d{2})").fullmatch

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class PlannedChange:
    """The people of one cohort who would be added to a list or removed from it.

    Attributes:
        result: The cohort in the plan.
        label: The label of the list: the cohort's id, or the value of the array attribute.
        queue: The queue in `StagedChanges` that holds the people.
        change: Whether they would be added or removed.
        emptied: A list under a former label, if its members are not queued yet.
    """

    result: CohortResult
    label: str
    queue: int
    change: Change
    emptied: KnownList | None = None


def changes_of(job: Job, result: CohortResult) -> Iterator[PlannedChange]:
    """Yield the changes of a job, in the order in which they would be sent.

    This includes a cohort that a guard stops: the people who would leave show the user whether the
    guard is right.
    """
    match, decision = job.match, job.decision
    if match.conflict is not None or not (decision.send or decision.stopped):
        return
    yield PlannedChange(result, match.label, match.cohort.number, Change.ADD)
    if decision.remove or decision.stopped:
        yield PlannedChange(result, match.label, match.cohort.number, Change.REMOVE)
        for former in match.former:
            yield emptying(former, result, is_queued=False)


def emptying(known: KnownList, result: CohortResult, *, is_queued: bool = True) -> PlannedChange:
    """Return the removal of all members from a list.

    Args:
        known: The list.
        result: The cohort in the plan.
        is_queued: Whether the removals are already queued.
    """
    emptied = None if is_queued else known
    return PlannedChange(result, known.label, emptying_queue(known), Change.REMOVE, emptied)


def make_people(config: Mapping[str, Any], name: str) -> PlannedPeople:
    """Return the writer of a dry run's people.

    Args:
        config: The settings of the target.
        name: The name of the plugin, for the file name.
    """
    file = make_run_file(
        config["dry_run_path"],
        name,
        setting="dry_run_path",
        what="The dry run's file",
        options=config.get("path_options"),
    )
    return PlannedPeople(file, kind=config["identifier"])


class PlannedPeople:
    """Write the people of a dry run to a file that only its owner can read."""

    def __init__(self, file: RunFile, *, kind: str) -> None:
        """Create the writer. The file is created with the first person.

        Args:
            file: The file for the people.
            kind: The kind of their identifiers.
        """
        self.count = 0
        """The number of lines in the file. A person in two cohorts has two lines."""
        self._file = file
        self._kind = kind
        self._shown: list[_Shown] = []

    @property
    def where(self) -> str:
        """The path of the file, or the URL of its parts."""
        return self._file.where

    def check(self) -> None:
        """Check that the file can be written, without writing to it.

        Raises:
            ConnectorError: The file cannot be written.
        """
        self._file.check()

    def write(self, planned: Iterable[PlannedChange], changes: StagedChanges) -> None:
        """Write all people, one JSON object on each line, and keep the first few for the log.

        Args:
            planned: The changes of all cohorts.
            changes: The queues with the people.

        Raises:
            ConnectorError: The file cannot be written.
        """
        for one in planned:
            shown = _Shown(one)
            self._shown.append(shown)
            if one.emptied is not None:
                changes.queue_everybody(one.emptied)
            for page in changes.pages(one.queue, one.change, _PAGE):
                shown.take(page)
                self._file.write(b"".join(self._lines(one, page)))
                self.count += len(page)
        self._file.close()

    def _lines(self, one: PlannedChange, page: list[str]) -> Iterator[bytes]:
        result = one.result
        head: dict[str, Any] = {"cohort_id": result.cohort_id, "cohort": result.name}
        if one.label not in {result.cohort_id, result.name}:
            head["list"] = one.label
        head["change"] = _WORDS[one.change]
        if result.stopped:
            head["stopped"] = True
        for identifier in page:
            yield _encode({**head, **track_identity(self._kind, identifier)}) + b"\n"

    def closing(self, result: RunResult) -> str:
        """Return the text to log at the end, with the first people of each cohort.

        Args:
            result: The plan.
        """
        lines = [shown.line(self._kind) for shown in self._shown if shown.count]
        if lines:
            lines.insert(0, f"The people, at most {MOST_SHOWN} of each cohort and change:")
            where = f"{self.where} lists all {self.count} changes."
        else:
            where = "No person would be added or removed."
        cost = f" It would cost {result.data_points} data points." * result.writes_attributes
        lines.append(f"Dry run, nothing was sent to Braze. {where}{cost} STATE was not changed.")
        return Lines("\n".join(lines))


@dataclass
class _Shown:
    """The first people of one change, for the log."""

    planned: PlannedChange
    first: list[str] = field(default_factory=list)
    count: int = 0

    def take(self, page: list[str]) -> None:
        self.first += page[: MOST_SHOWN - len(self.first)]
        self.count += len(page)

    def line(self, kind: str) -> str:
        result = self.planned.result
        name = " ".join(one_line(result.name).split())
        cohort_id = " ".join(one_line(result.cohort_id).split())
        cohort = name if name == cohort_id else f"{name} ({cohort_id})"
        of_list = self.planned.label not in {result.cohort_id, result.name}
        former = f" from {one_line(self.planned.label)}" if of_list else ""
        stopped = "STOPPED, would " if result.stopped else ""
        people = ", ".join(shortened(kind, identifier) for identifier in self.first)
        more = self.count - len(self.first)
        return (
            f"{cohort}: {stopped}{_WORDS[self.planned.change]} {self.count}{former}: {people}"
            + (f" and {more} more" if more else "")
        )


def shortened(kind: str, identifier: str) -> str:
    """Return an identifier for the log. E-mail addresses and phone numbers are shortened.

    Args:
        kind: The kind of the identifier. An external id may also be an address.
        identifier: The identifier, as in the membership store.
    """
    person = track_identity(kind, identifier)
    if alias := person.get("user_alias"):
        return f"{_masked(alias['alias_name'])} ({one_line(alias['alias_label'], _LONGEST_SHOWN)})"
    return _masked(identifier)


def _masked(text: str) -> str:
    if match := _email(text) or _phone(text):
        text = f"{match[1]}…{match[2]}"
    return one_line(text, _LONGEST_SHOWN)
