"""Which cohorts a run reads. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.identifiers import id_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Named(NamedTuple):
    """What a cohort can be chosen by."""

    id: str
    name: str


def choose(
    cohorts: Iterable[Named], wanted: Sequence[str | int] | None
) -> tuple[set[str], list[str]]:
    """Choose cohorts by id or name.

    Args:
        cohorts: Those there are.
        wanted: The setting `cohorts`; all if it is None or empty.

    Returns:
        The ids of those chosen, and one line for each entry that names none, with near names.
    """
    there = list(cohorts)
    if not wanted:
        return {cohort.id for cohort in there}, []
    chosen: set[str] = set()
    unknown = []
    for entry in (id_text(one) or str(one) for one in wanted):
        # A number is an id first; only if there is none such is it a name.
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
