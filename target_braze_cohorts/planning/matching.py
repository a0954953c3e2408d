"""Match each cohort of the input with its list in Braze. Pure: no I/O and no clock.

Braze knows a list by its label: the cohort's id, or a value of the array attribute. With
`attribute_value` name the label is the cohort's name, so a rename in the source gives the cohort
a new label, and two cohorts can ask for the same one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_braze_cohorts.planning.decision import SyncMode, resync_due
from target_braze_cohorts.settings.changes_stream import changes_stream
from target_braze_cohorts.settings.definitions import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_braze_cohorts.intake.cohort_records import Cohort
    from target_braze_cohorts.intake.completeness import InputEvidence
    from target_braze_cohorts.planning.changes import KnownList

FIRST_GENERATION = 1
_SHARED_LABEL = "another cohort has the same name: rename one, or attribute_value id"


@dataclass(frozen=True, kw_only=True)
class Match:
    """A cohort of the input and the lists that Braze holds of it.

    Attributes:
        cohort: The cohort.
        label: The label of the cohort from this run on.
        known: The list under this label, or None if there is no such list yet.
        former: The lists under former labels of the cohort. They are emptied after their members
            are added under the new label.
        generation: The generation of the cohort's members after this run, see `KnownList`.
        delivered: Whether Braze once had the complete cohort.
        conflict: The reason why the label cannot be used, or None.
    """

    cohort: Cohort
    label: str
    known: KnownList | None = None
    former: Sequence[KnownList] = ()
    generation: int = FIRST_GENERATION
    delivered: bool = False
    conflict: str | None = None


class Matcher:
    """Match the cohorts of one run with the lists in Braze."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        cohorts: Mapping[str, Cohort],
        known: Sequence[KnownList],
        evidence: InputEvidence,
        is_selected: Callable[[str], bool],
        now: int,
    ) -> None:
        """Create the matcher at the end of the input.

        Args:
            config: The settings of the target.
            cohorts: Cohort id → cohort, for the cohorts in the input and, if the input has changes,
                also for the known cohorts.
            known: All lists of the workspace, oldest first.
            evidence: The proof that the input is complete.
            is_selected: Returns whether the setting `cohort_ids` includes a cohort id.
            now: The present time in UNIX seconds.
        """
        self._config = config
        self._cohorts = cohorts
        self._known = known
        self._evidence = evidence
        self._is_selected = is_selected
        self._now = now
        self._changes = changes_stream(config).in_members
        self._mode = SyncMode(config["sync_mode"])

    def matches(self) -> list[Match]:
        """Match every cohort, in the order of the input."""
        labels = {cohort.id: self._label(cohort) for cohort in self._cohorts.values()}
        used = Counter(labels.values())
        return [
            Match(cohort=cohort, label=label, conflict=_SHARED_LABEL)
            if used[label] > 1 or self._is_held_by_another(cohort, label)
            else self._match(cohort, label, used)
            for cohort, label in ((cohort, labels[cohort.id]) for cohort in self._cohorts.values())
        ]

    def vanished(self, matches: Iterable[Match]) -> list[KnownList]:
        """Find the lists of cohorts that are no longer in the source.

        Args:
            matches: The result of `matches`. A label that another cohort takes over has not
                vanished.
        """
        labels = {match.label for match in matches}
        return [
            known
            for known in self._known
            if self._has_vanished(known.cohort_id) and known.label not in labels
        ]

    def _label(self, cohort: Cohort) -> str:
        config = self._config
        if config["delivery"] != ATTRIBUTE or config["attribute_value"] == "id":
            return cohort.id
        held = [known.label for known in self._known if known.cohort_id == cohort.id]
        return cohort.name or (held[-1] if held else cohort.id)

    def _match(self, cohort: Cohort, label: str, labels: Mapping[str, int]) -> Match:
        known = next((known for known in self._known if known.label == label), None)
        of_cohort = [other for other in self._known if other.cohort_id == cohort.id]
        return Match(
            cohort=cohort,
            label=label,
            known=known,
            # Two cohorts may swap their names. Then the former label of one cohort is the label of
            # the other. With full lists this list is not emptied, because the difference of the
            # other cohort covers it.
            former=[
                other
                for other in of_cohort
                if other.label != label and (cohort.by_changes or other.label not in labels)
            ],
            generation=self._generation(known),
            delivered=any(
                other.delivered_at is not None
                for other in (*of_cohort, *([known] if known else []))
            ),
        )

    def _generation(self, known: KnownList | None) -> int:
        if known is None:
            return FIRST_GENERATION
        due = self._mode is SyncMode.DYNAMIC and resync_due(
            known.resynced_at, self._now, self._config["full_resync_days"]
        )
        return known.generation + due

    def _is_held_by_another(self, cohort: Cohort, label: str) -> bool:
        """Return whether a label belongs to another cohort that may still use it."""
        owner = next((known.cohort_id for known in self._known if known.label == label), cohort.id)
        if owner == cohort.id or self._has_vanished(owner):
            return False
        # Changes do not show which members of the list belong to this cohort. A full list of the
        # owner does. It also shows that the owner has another label now: otherwise two cohorts of
        # this run would have the same label, and `matches` has checked that.
        return cohort.by_changes or owner not in self._cohorts or self._cohorts[owner].by_changes

    def _has_vanished(self, cohort_id: str) -> bool:
        """Return whether all cohorts of the source are in the input and this one is not."""
        evidence = self._evidence
        return (
            evidence.every_cohort_came
            and not (self._changes or evidence.cut)
            and cohort_id not in self._cohorts
            and self._is_selected(cohort_id)
        )
