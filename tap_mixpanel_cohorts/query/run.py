"""One run of the query way: the list of cohorts, then each of them."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.singer.lenient_json import decode_leniently
from tap_mixpanel_cohorts.query.budget import fitting_interval
from tap_mixpanel_cohorts.query.client import RefusedError, UnansweredError
from tap_mixpanel_cohorts.query.pages import CohortPages, IncompleteError
from tap_mixpanel_cohorts.reading.cohort import MEMBERS, Reading
from tap_mixpanel_cohorts.reading.selection import Named, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_mixpanel_cohorts.query.client import QueryClient

TRIES_OF_THE_LIST: Final = 3
_LIST: Final = "cohorts/list"
_log = logging.getLogger("tap-mixpanel-cohorts")


class _CutListError(TemporaryError):
    """The list of cohorts is cut off or of another form."""


class QueriedCohorts:
    """The cohorts of a project, complete lists only."""

    def __init__(
        self,
        client: QueryClient,
        *,
        wanted: Sequence[str | int] | None,
        profile_properties: Sequence[str],
        page_size: int,
        progress: Mapping[str, Any],
    ) -> None:
        """Keep what to read; nothing is asked yet.

        Args:
            client: Asks.
            wanted: The setting `cohorts`.
            profile_properties: The properties that records carry.
            page_size: Members a page to ask for.
            progress: What STATE says: `read` (cohort → when it was read last, UNIX seconds).
        """
        self._client = client
        self._wanted = wanted
        self._page_size = page_size
        self._pages = CohortPages(
            client, profile_properties=profile_properties, page_size=page_size
        )
        self._read: dict[str, float] = {
            str(cohort): float(moment) for cohort, moment in (progress.get("read") or {}).items()
        }
        self.incomplete: dict[str, str] = {}
        """Cohorts that did not come completely → why."""

    def list_cohorts(self) -> list[dict[str, Any]]:
        """Ask which cohorts there are, and choose those that are wanted.

        Returns:
            Their records.

        Raises:
            SettingsError: A name is unknown, or Mixpanel refuses the project.
            TemporaryError: No answer came.
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
        """Ask for the list, and again if it comes cut off."""
        for _ in range(TRIES_OF_THE_LIST - 1):
            with suppress(_CutListError):
                return _read_list(self._client.ask(_LIST, {}))
        return _read_list(self._client.ask(_LIST, {}))

    def plan(self, cohorts: Sequence[Mapping[str, Any]]) -> int:
        """Log beforehand what the run takes, and which schedule that fits.

        Returns:
            The queries of one run.
        """
        pages = sum(max(1, math.ceil((c["count"] or 0) / self._page_size)) for c in cohorts)
        queries, limit = pages + 1, self._client.budget.limit
        left = self._client.budget.left(self._client.now())
        _log.info(
            "%d cohorts: a run takes about %d queries of %d an hour (%d are left in this hour, "
            "after the list of cohorts); it fits a schedule of %s.",
            len(cohorts),
            queries,
            limit,
            left,
            fitting_interval(queries, limit),
        )
        if queries > limit:
            _log.warning(
                "One run takes more queries than an hour has: name fewer cohorts, set a larger "
                "page_size or retry_seconds, or let Mixpanel push to mixpanel-cohort-inbox."
            )
        return queries

    def readings(self) -> Iterator[Reading]:
        """Yield the cohorts that came completely, those first that were read longest ago."""
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
            self._read[str(cohort["id"])] = round(self._client.now(), 3)
            yield Reading(
                MEMBERS,
                spool.blocks(),
                {**cohort, "count": spool.distinct()},
                self.final_progress(),
            )

    def failure(self) -> TemporaryError | None:
        """Give what did not come; None if everything did."""
        if not self.incomplete:
            return None
        cohorts = "; ".join(f"{cohort} ({why})" for cohort, why in self.incomplete.items())
        return TemporaryError(
            f"These cohorts did not come completely and were not sent: {cohorts}. The others were; "
            "run again later."
        )

    def final_progress(self) -> dict[str, Any]:
        """Give what STATE says now."""
        recent = self._client.budget.recent(self._client.now())
        return {"queries": [int(moment) for moment in recent], "read": dict(self._read)}


def _read_list(body: bytes) -> list[dict[str, Any]]:
    """Read the list of cohorts.

    Raises:
        TemporaryError: The answer is no such list.
    """
    try:
        content: Any = decode_leniently(body)
        return [_record(cohort) for cohort in content]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _CutListError(
            "Mixpanel's list of cohorts is cut off or of another form: run again later, and check "
            "api_url if it stays so."
        ) from None


def _record(cohort: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": int(cohort["id"]),
        "name": str(cohort.get("name") or cohort["id"]),
        "description": cohort.get("description"),
        "created": _created(cohort.get("created")),
        "count": _whole(cohort.get("count")),
        "is_visible": _whole(cohort.get("is_visible")),
        "project_id": _whole(cohort.get("project_id")),
    }


def _created(text: object) -> str | None:
    """Write Mixpanel's "2019-03-19 23:49:51", which is UTC, as ISO 8601."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole(value: object) -> int | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None
