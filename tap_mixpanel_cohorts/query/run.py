"""One run with the query API: read the list of cohorts, then the members of each cohort."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.identifiers import exact_count, id_text, is_absent, is_meaningless
from braze_mixpanel.lenient_json import decode_leniently
from braze_mixpanel.times import UnreadableTimeError, read_plausible_time
from tap_mixpanel_cohorts.query.budget import fitting_interval
from tap_mixpanel_cohorts.query.client import RefusedError, UnansweredError
from tap_mixpanel_cohorts.query.pages import CohortPages, IncompleteError
from tap_mixpanel_cohorts.query.query_moments import moments
from tap_mixpanel_cohorts.reading.cohort import MEMBERS, Reading, cohort_number
from tap_mixpanel_cohorts.reading.selection import Named, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from braze_mixpanel.errors import ConnectorError
    from tap_mixpanel_cohorts.query.client import QueryClient

TRIES_OF_THE_LIST: Final = 3
_LIST: Final = "cohorts/list"
_log = logging.getLogger("tap-mixpanel-cohorts")


class _CutListError(TemporaryError):
    """The list of cohorts is cut off or has an unknown form."""


class QueriedCohorts:
    """Read the cohorts of a project. Only complete lists are returned."""

    def __init__(
        self,
        client: QueryClient,
        *,
        wanted: Sequence[str | int] | None,
        profile_properties: Sequence[str],
        page_size: int,
        progress: Mapping[str, Any],
    ) -> None:
        """Create the source. This sends nothing.

        Args:
            client: Sends the queries.
            wanted: The setting `cohorts`.
            profile_properties: The profile properties of the records.
            page_size: The number of members to ask for in one page.
            progress: The tap's STATE. `read`: cohort → when it was last read, in UNIX seconds.
        """
        self._client = client
        self._wanted = wanted
        self._page_size = page_size
        self._pages = CohortPages(
            client, profile_properties=profile_properties, page_size=page_size
        )
        self._read = moments(progress.get("read"))
        self._names = tuple(profile_properties)
        self._members = 0
        self.incomplete: dict[str, str] = {}
        """Cohorts that could not be read completely → the reason."""

    def list_cohorts(self) -> list[dict[str, Any]]:
        """Return the records of the cohorts to read, with one query.

        Raises:
            SettingsError: A name in the settings is unknown, or Mixpanel rejects the project.
            TemporaryError: There was no answer.
        """
        try:
            listed = self._ask_for_list()
        except RefusedError as error:
            raise SettingsError(
                f"Mixpanel does not list the cohorts of this project: {error}. Check project_id, "
                "workspace_id and region."
            ) from error
        chosen, unknown = choose(
            [Named(str(cohort["id"]), str(cohort["name"])) for cohort in listed], self._wanted
        )
        if unknown:
            raise SettingsError(f"Setting cohorts: the project has no {'; no '.join(unknown)}")
        return [cohort for cohort in listed if str(cohort["id"]) in chosen]

    def _ask_for_list(self) -> list[dict[str, Any]]:
        """Query the list of cohorts, and query again if the answer is cut off."""
        for _ in range(TRIES_OF_THE_LIST - 1):
            with suppress(_CutListError):
                return _read_list(self._client.ask(_LIST, {}))
        return _read_list(self._client.ask(_LIST, {}))

    def plan(self, cohorts: Sequence[Mapping[str, Any]]) -> int:
        """Log how many queries the run needs, and which schedule fits.

        Returns:
            The number of queries of one run.
        """
        pages = sum(max(1, math.ceil((c["count"] or 0) / self._page_size)) for c in cohorts)
        queries, limit = pages + 1, self._client.budget.limit
        left = self._client.budget.left(self._client.now())
        _log.info(
            "%d cohorts: a run needs about %d queries of %d an hour (%d are left in this hour, "
            "after the list of cohorts). A schedule of %s fits.",
            len(cohorts),
            queries,
            limit,
            left,
            fitting_interval(queries, limit),
        )
        if queries > limit:
            _log.warning(
                "One run needs more queries than an hour allows: read fewer cohorts, set a larger "
                "page_size or retry_seconds, or let Mixpanel push to mixpanel-cohort-inbox."
            )
        return queries

    def readings(self) -> Iterator[Reading]:
        """Yield the complete cohorts. The cohort that was read longest ago comes first.

        So if the budget is not enough for all cohorts, the next run starts with the others.
        """
        cohorts = self.list_cohorts()
        self.plan(cohorts)
        there = {str(cohort["id"]) for cohort in cohorts}
        self._read = {cohort: at for cohort, at in self._read.items() if cohort in there}
        for cohort in sorted(cohorts, key=lambda cohort: self._read.get(str(cohort["id"]), 0)):
            try:
                spool = self._pages.read(cohort["id"])
            except (IncompleteError, UnansweredError) as error:
                _log.warning("Cohort %s is not sent: %s", cohort["id"], error)
                self._client.hurry(on=isinstance(error, UnansweredError))
                self.incomplete[str(cohort["id"])] = str(error).rstrip(".")
                continue
            self._client.hurry(on=False)
            self._members += spool.received
            self._read[str(cohort["id"])] = round(self._client.now(), 3)
            yield Reading(
                MEMBERS,
                spool.blocks(),
                {**cohort, "count": spool.distinct()},
                self.final_progress(),
            )

    def failure(self) -> ConnectorError | None:
        """Return the error about incomplete cohorts or unknown properties, or None."""
        if self.incomplete:
            cohorts = "; ".join(f"{cohort} ({why})" for cohort, why in self.incomplete.items())
            return TemporaryError(
                f"These cohorts could not be read completely and were not sent: {cohorts}. The "
                "others were sent. Run again later."
            )
        missing = [name for name in self._names if name not in self._pages.properties_seen]
        if missing and self._members:
            return SettingsError(
                f"Setting profile_properties: none of the {self._members} members has "
                f"{', '.join(missing)}. Correct the name, as Mixpanel spells it, or remove it. "
                "All members were sent anyway."
            )
        return None

    def final_progress(self) -> dict[str, Any]:
        """Return the value for STATE."""
        recent = self._client.budget.recent(self._client.now())
        return {"queries": [int(moment) for moment in recent], "read": dict(self._read)}


def _read_list(body: bytes) -> list[dict[str, Any]]:
    """Return the records of the cohorts in an answer. Entries without an id are left out.

    Raises:
        TemporaryError: The answer is not a list of cohorts.
    """
    try:
        content: Any = decode_leniently(body)
    except (ValueError, RecursionError):
        content = None
    entries = content if isinstance(content, list) else None
    records = [record for cohort in entries or () if (record := _record(cohort)) is not None]
    if entries is None or (entries and not records):
        raise _CutListError(
            "Mixpanel's list of cohorts is cut off or has an unknown form: run again later, and "
            "check api_url if that does not help."
        )
    if len(records) < len(entries):
        _log.warning(
            "%d of %d entries in Mixpanel's list of cohorts have no id and are left out.",
            len(entries) - len(records),
            len(entries),
        )
    return records


def _record(cohort: object) -> dict[str, Any] | None:
    if not isinstance(cohort, dict):
        return None
    number = id_text(cohort.get("id"))
    if number is None or is_meaningless(number):
        return None
    project = id_text(cohort.get("project_id"))
    return {
        "id": cohort_number(number),
        "name": id_text(cohort.get("name")) or number,
        "description": cohort.get("description"),
        "created": _created(cohort.get("created"), number),
        "count": exact_count(cohort.get("count")),
        "is_visible": exact_count(cohort.get("is_visible")),
        "project_id": None if project is None else cohort_number(project),
    }


def _created(value: object, number: str) -> str | None:
    """Write Mixpanel's "2019-03-19 23:49:51", which is UTC, as ISO 8601."""
    if is_absent(value):
        return None
    try:
        moment = read_plausible_time(value)
    except UnreadableTimeError as error:
        _log.warning("Cohort %s: created is left out: %s.", number, error)
        return None
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
