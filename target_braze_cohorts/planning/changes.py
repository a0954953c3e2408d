"""The data types that staging, planning, delivery and the membership store share."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

RENAMING: Final = ""
"""The name of a list while a rename has no response: Braze may hold the old or the new name."""


class Change(enum.IntEnum):
    """Whether a request adds or removes the people in it."""

    ADD = 0
    REMOVE = 1


class KnownList(NamedTuple):
    """One list in Braze, as the last run left it.

    Attributes:
        id: Its key in the membership store.
        label: What Braze knows it by: a cohort id, or a value of the array attribute.
        kind: The kind of its members' identifiers, see `settings.identifier_kinds.KINDS`.
        cohort_id: The cohort that it holds.
        name: The name that Braze acknowledged; None if it never acknowledged one, `RENAMING` if a
            rename has no answer yet.
        generation: Members acknowledged in an earlier generation are sent again.
        resynced_at: When this generation began, UNIX seconds.
        delivered_at: When Braze first had the whole list, UNIX seconds; None if it never had.
    """

    id: int
    label: str
    kind: str
    cohort_id: str
    name: str | None
    generation: int
    resynced_at: int
    delivered_at: int | None

    @property
    def cohort_name(self) -> str:
        """The cohort's name as far as it is known: of an attribute, the value may be the name."""
        return self.name or self.label


class ListSize(NamedTuple):
    """The numbers of members of a list in the membership store.

    Attributes:
        held: Members whom Braze holds or may hold.
        acknowledged: Members in `held` whose add Braze acknowledged.
    """

    held: int = 0
    acknowledged: int = 0


class StagedCounts(NamedTuple):
    """The numbers of members of a cohort in the input.

    Attributes:
        received: Different members.
        without_identifier: Members in `received` without an identifier.
        without_profile: Members in `without_identifier` whose profile is not in the input.
    """

    received: int = 0
    without_identifier: int = 0
    without_profile: int = 0


class Difference(NamedTuple):
    """The numbers of changes between a cohort's staged members and its members in Braze.

    Attributes:
        to_add: Members to add under the cohort's label.
        to_remove: Members to remove from the cohort's label.
        leaving_former: Members under the cohort's former labels who are no longer in the cohort.
    """

    to_add: int = 0
    to_remove: int = 0
    leaving_former: int = 0
