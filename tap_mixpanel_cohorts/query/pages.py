"""Read all pages of a cohort. The result is complete, or there is an error."""

from __future__ import annotations

import logging
import math
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.lenient_json import strict_json
from tap_mixpanel_cohorts.query.client import AT_A_TIME, LimitedError, RefusedError, UnansweredError
from tap_mixpanel_cohorts.query.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from tap_mixpanel_cohorts.query.client import QueryClient

READINGS: Final = 3
"""The most times that a cohort is read from page 0 in one run."""
TRIES_OF_A_PAGE: Final = 3
"""The most failures of a page. After that, the session has probably expired."""
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger("tap-mixpanel-cohorts")


class IncompleteError(TemporaryError):
    """A cohort could not be read completely in this run."""


class _StartOverError(Exception):
    """The pages do not match each other. The cohort must be read again from page 0."""


class _Member(msgspec.Struct):
    distinct_id: str | int | float = msgspec.field(name="$distinct_id")
    properties: dict[str, msgspec.Raw] = msgspec.field(name="$properties", default_factory=dict)


class _Answer(msgspec.Struct):
    results: list[_Member]
    page: int | None = None
    page_size: int | None = None
    session_id: str | None = None
    total: int | None = None
    status: str = "ok"


class _Page(NamedTuple):
    """A page in the form in which it is kept."""

    number: int
    ids: list[str]
    lines: bytes
    page_size: int | None
    session_id: str | None
    total: int | None


_decode = msgspec.json.Decoder(_Answer).decode
_NULL: Final = msgspec.Raw(b"null")


class CohortPages:
    """Read the members of cohorts."""

    def __init__(
        self, client: QueryClient, *, profile_properties: Sequence[str], page_size: int
    ) -> None:
        """Create the reader. This sends nothing.

        Args:
            client: Sends the queries.
            profile_properties: The profile properties of the records.
            page_size: The number of members to ask for in one page.
        """
        self._client = client
        self._names = tuple(profile_properties)
        self._page_size = page_size
        self.properties_seen: set[str] = set()
        """The names in `profile_properties` that occurred in at least one member."""

    def read(self, cohort_id: int | str) -> Spool:
        """Read all members of a cohort.

        Args:
            cohort_id: The id of the cohort.

        Returns:
            The members. `distinct` returns their number.

        Raises:
            IncompleteError: The members of this cohort could not be read completely.
            ConnectorError: An error of `QueryClient.ask` that concerns every cohort.
        """
        stable: tuple[int, int] | None = None
        reason = ""
        for _ in range(READINGS):
            spool = Spool()
            try:
                total = self._read_once(cohort_id, spool)
                distinct = spool.distinct()
                if distinct == spool.received or stable == (total, distinct):
                    return spool
                # A member that comes twice may mean that another member was skipped: people moved
                # between pages while they were read. So the cohort is read again. If a second
                # reading gives the same numbers, the duplicates are in Mixpanel's data.
                stable = (total, distinct)
                reason = f"{spool.received - distinct} members came twice"
            except _StartOverError as error:
                reason = str(error)
            except RefusedError as error:
                spool.close()
                raise IncompleteError(f"Mixpanel refuses it: {error}") from error
            except BaseException:
                spool.close()
                raise
            spool.close()
            _log.warning("Cohort %s: %s. Reading it again from page 0.", cohort_id, reason)
        raise IncompleteError(f"{reason}, in {READINGS} readings")

    def _read_once(self, cohort_id: int | str, spool: Spool) -> int:
        """Read all pages into a spool, and return Mixpanel's total.

        The first page creates a session at Mixpanel and has the total. The other pages belong to
        this session, so they are read in parallel.
        """
        first = self._page(cohort_id, 0, None)
        spool.add(first.ids, first.lines)
        size = first.page_size or len(first.ids)
        if first.total is None:
            return self._read_on(cohort_id, first, size, spool)
        others = max(0, math.ceil(first.total / size) - 1) if size > 0 else 0
        if others and not first.session_id:
            raise _StartOverError("the first page has no session_id")
        if not self._client.fits(others):
            raise IncompleteError(
                f"its other {others} pages need more queries than the budget of "
                f"{self._client.budget.limit} an hour allows within retry_seconds"
            )
        for page in self._concurrently(cohort_id, first.session_id, others):
            if page.total not in {None, first.total}:
                raise _StartOverError(f"the total changed from {first.total} to {page.total}")
            if page.page_size not in {None, first.page_size}:
                raise _StartOverError("the page size changed")
            spool.add(page.ids, page.lines)
        if spool.received != first.total:
            raise _StartOverError(f"{spool.received} of {first.total} members came")
        return first.total

    def _read_on(self, cohort_id: int | str, first: _Page, size: int, spool: Spool) -> int:
        """Read page after page until a page is not full. For answers without a total."""
        page = first
        while size and len(page.ids) >= size:
            page = self._page(cohort_id, page.number + 1, first.session_id)
            spool.add(page.ids, page.lines)
        return spool.received

    def _concurrently(
        self, cohort_id: int | str, session_id: str | None, others: int
    ) -> Iterator[_Page]:
        """Yield the pages from 1 on, in the order in which they arrive. Few are in memory."""
        if not others:
            return
        numbers = iter(range(1, others + 1))
        running: set[Future[_Page]] = set()
        with ThreadPoolExecutor(min(AT_A_TIME, others), "pages") as pool:
            try:
                while True:
                    for number in numbers:
                        running.add(pool.submit(self._page, cohort_id, number, session_id))
                        if len(running) >= AT_A_TIME:
                            break
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for page in done:
                        yield page.result()
            finally:
                for future in running:
                    future.cancel()

    def _page(self, cohort_id: int | str, number: int, session_id: str | None) -> _Page:
        fields = {
            "filter_by_cohort": _encode({"id": cohort_id}).decode(),
            "include_all_users": "true",
            "output_properties": _encode(self._names).decode(),
            "page_size": str(self._page_size),
            "page": str(number),
        }
        if session_id:
            fields["session_id"] = session_id
        for _ in range(TRIES_OF_A_PAGE):
            try:
                body = self._client.ask("engage", fields, tries=TRIES_OF_A_PAGE if number else None)
            except RefusedError as error:
                if not number:
                    raise
                raise _StartOverError(f"page {number} was refused: {error}") from error
            except UnansweredError as error:
                if not number or isinstance(error, LimitedError):
                    raise
                raise _StartOverError(f"page {number} did not come: {error}") from error
            answer = _read_answer(body)
            if answer is not None and answer.page in {None, number}:
                return self._kept(cohort_id, number, answer)
        raise _StartOverError(f"the answer for page {number} is cut off or has an unknown form")

    def _kept(self, cohort_id: int | str, number: int, answer: _Answer) -> _Page:
        ids, lines = [], []
        for member in answer.results:
            who = _id_text(member.distinct_id)
            record: dict[str, Any] = {"cohort_id": cohort_id, "distinct_id": who}
            for name in self._names:
                value = record[name] = member.properties.get(name)
                if value is not None and value != _NULL:
                    self.properties_seen.add(name)
            ids.append(who)
            lines.append(_encode(record))
        lines.append(b"")
        return _Page(
            number,
            ids,
            b"\n".join(lines),
            answer.page_size,
            answer.session_id,
            answer.total,
        )


def _read_answer(body: bytes) -> _Answer | None:
    """Return the decoded answer, or None if it is cut off or has an unknown form."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            answer = _decode(strict_json(body))
        except (ValueError, RecursionError):
            return None
    return answer if answer.status == "ok" else None


def _id_text(value: str | float) -> str:
    """Return an id as JSON writes it. 12345 and 12345.0 are the same id."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else _encode(value).decode()
