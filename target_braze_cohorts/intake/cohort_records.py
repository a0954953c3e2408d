"""What the records of each stream mean, staged as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_braze_cohorts.intake.completeness import StreamEvidence
from target_braze_cohorts.intake.identity import ALIAS, alias_identifier, text_of
from target_braze_cohorts.intake.removal_flag import is_removal
from target_braze_cohorts.settings.definitions import DISTINCT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze_cohorts.intake.rejected_members import RejectedMembers
    from target_braze_cohorts.store.staging import Staging

    Take = Callable[[dict[str, Any]], None]


@dataclass
class Cohort:
    """A cohort that the input named.

    Attributes:
        number: What staging knows it by.
        id: Its id in the source, as text.
        name: Its name; None until its own record came.
        created: When it was made, as the source writes it.
        count: How many members the source says it has.
        nameless: Member records without a usable id; they are not staged.
        not_members: Records that say that their member is none; they are not staged either.
    """

    number: int
    id: str
    name: str | None = None
    created: str | None = None
    count: int | None = None
    nameless: int = 0
    not_members: int = 0


class Intake:
    """Takes records by the role of their stream."""

    def __init__(
        self, config: Mapping[str, Any], staging: Staging, rejects: RejectedMembers
    ) -> None:
        """Read the settings.

        Args:
            config: The target's settings.
            staging: Takes members and profiles.
            rejects: Takes member records that name nobody.
        """
        self.cohorts: dict[str, Cohort] = {}
        self.passed_over: set[str] = set()
        """Ids of cohorts that came and that `cohort_ids` does not take in."""
        self._config = config
        self._staging = staging
        self._rejects = rejects
        selected = config.get("cohort_ids")
        self._selected = None if selected is None else {str(value) for value in selected}
        self._changes: bool = config["changes_stream"]
        self._member_fields = (config["member_cohort_id_field"], config["member_id_field"])
        self._is_alias = config["identifier"] == ALIAS
        self._has_identified_profile = False
        self._profile_fields = profile_fields(config["external_id_property"])
        cohorts, members = config["cohorts_stream"], config["members_stream"]
        self.cohorts_evidence = StreamEvidence(cohorts)
        self.members_evidence = StreamEvidence(members, {cohorts})
        self.profiles_evidence = StreamEvidence(config["profiles_stream"])

    @property
    def joined(self) -> bool:
        """Whether identifiers come from profiles."""
        return is_joined(self._config)

    @property
    def has_records(self) -> bool:
        """Whether any record of a cohort or a member came."""
        return self.cohorts_evidence.has_records or self.members_evidence.has_records

    @property
    def lacks_profiles(self) -> bool:
        """Whether identifiers come from profiles, and those were not even selected."""
        return self.joined and self.has_records and not self.profiles_evidence.began

    @property
    def has_only_profiles_without_id(self) -> bool:
        """Whether profiles came, and none had the property that holds the identifier."""
        return self.profiles_evidence.has_records and not self._has_identified_profile

    def evidence(self) -> tuple[StreamEvidence, ...]:
        """Give what is known of the end of each stream."""
        return (self.cohorts_evidence, self.members_evidence, self.profiles_evidence)

    def roles(self, stream: str) -> list[Take]:
        """Give what takes the records of a stream; empty if the stream means nothing here."""
        config = self._config
        takes: list[Take] = []
        if stream == config["cohorts_stream"]:
            takes.append(self.take_cohort)
        if stream == config["members_stream"]:
            takes.append(self.take_member)
        if stream == config["profiles_stream"] and self.joined:
            takes.append(self.take_profile)
        return takes

    def is_selected(self, cohort_id: str) -> bool:
        """Tell whether `cohort_ids` takes a cohort in."""
        return self._selected is None or cohort_id in self._selected

    def recall(self, cohort_id: str) -> None:
        """Take a cohort in that an earlier run brought, as if it had come without members."""
        self._cohort(cohort_id)

    def take_cohort(self, record: dict[str, Any]) -> None:
        """Take a record of the cohorts stream."""
        self.cohorts_evidence.saw_record()
        config = self._config
        cohort = self._cohort(text_of(record.get(config["cohort_id_field"])))
        if cohort is None:
            return
        cohort.name = text_of(record.get(config["cohort_name_field"])) or cohort.name
        cohort.created = text_of(record.get(config["cohort_created_field"])) or cohort.created
        count = record.get(config["cohort_count_field"])
        cohort.count = count if isinstance(count, int) and not isinstance(count, bool) else None

    def take_member(self, record: dict[str, Any]) -> None:
        """Take a record of the members stream."""
        self.members_evidence.saw_record()
        cohort_field, member_field = self._member_fields
        cohort_id = text_of(record.get(cohort_field))
        cohort = self._cohort(cohort_id)
        if cohort is None:
            if cohort_id is None:
                self._rejects.nameless(record, "without_cohort_id")
            return
        removed = is_removal(record, self.members_evidence.stream)
        if removed and not self._changes:
            cohort.not_members += 1
            return
        member = text_of(record.get(member_field))
        if self._is_alias and member is not None:
            member = self._alias(record, member)
        if member is None:
            cohort.nameless += 1
            self._rejects.nameless(record, "without_identifier")
            return
        self._staging.add_member(cohort.number, member, removed)

    def take_profile(self, record: dict[str, Any]) -> None:
        """Take a record of the profiles stream."""
        self.profiles_evidence.saw_record()
        member = text_of(record.get(self._config["member_id_field"]))
        if member is None:
            return
        values = (record.get(field) for field in self._profile_fields)
        identifier = next(filter(None, map(text_of, values)), None)
        self._has_identified_profile |= identifier is not None
        self._staging.add_profile(member, identifier)

    def _cohort(self, cohort_id: str | None) -> Cohort | None:
        if cohort_id is None:
            return None
        cohort = self.cohorts.get(cohort_id)
        if cohort is not None:
            return cohort
        if not self.is_selected(cohort_id):
            self.passed_over.add(cohort_id)
            return None
        cohort = self.cohorts[cohort_id] = Cohort(len(self.cohorts) + 1, cohort_id)
        return cohort

    def _alias(self, record: Mapping[str, Any], name: str) -> str | None:
        field = self._config.get("alias_label_field")
        label = text_of(record.get(field)) if field else None
        label = label or self._config.get("alias_label")
        return alias_identifier(name, label) if label else None


def is_joined(config: Mapping[str, Any]) -> bool:
    """Tell from the settings whether identifiers come from profiles."""
    return bool(config["external_id_property"] != DISTINCT_ID)


def profile_fields(name: str) -> tuple[str, ...]:
    """Give the fields in which a profile property may stand.

    tap-mixpanel writes a leading `$` as `mp_reserved_`.
    """
    return (name, f"mp_reserved_{name[1:]}") if name.startswith("$") else (name,)
