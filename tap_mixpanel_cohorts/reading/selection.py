"""Choose the cohorts that a run reads. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.identifiers import id_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Named(NamedTuple):
    """The id and the name of a cohort, by which it can be chosen."""

    id: str
    name: str


def choose(
    cohorts: Iterable[Named], wanted: Sequence[str | int] | None
) -> tuple[set[str], list[str]]:
    """Choose cohorts by id or name.

    Args:
        cohorts: All cohorts.
        wanted: The setting `cohorts`. None or empty: all cohorts.

    Returns:
        The ids of the chosen cohorts, and one text for each entry without a cohort, with similar
        names.
    """
    there = list(cohorts)
    if not wanted:
        return {cohort.id for cohort in there}, []
    chosen: set[str] = set()
    unknown = []
    for entry in (id_text(one) or str(one) for one in wanted):
        # A number is an id. Only if there is no such id, it is taken for a name.
        found = {cohort.id for cohort in there if cohort.id == entry.strip()} or {
            cohort.id for cohort in there if cohort.name == entry
        }
        chosen |= found
        if not found:
            unknown.append(f"cohort {entry!r}{_near(entry, there)}")
    return chosen, unknown


def _near(entry: str, there: list[Named]) -> str:
    by_lower = {cohort.name.strip().lower(): cohort for cohort in there}
    close = difflib.get_close_matches(entry.strip().lower(), by_lower, n=3, cutoff=0.5)
    shown = " or ".join(f"{by_lower[name].name!r} (id {by_lower[name].id})" for name in close)
    return f": did you mean {shown}?" if shown else ""
