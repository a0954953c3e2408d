"""Read each record by the role of its stream, and stage members and profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from braze_mixpanel.identifiers import exact_count, is_absent
from target_braze_cohorts.intake.completeness import InputEvidence, StreamEvidence
from target_braze_cohorts.intake.identity import (
    CONTACTS,
    alias_identifier,
    id_of,
    identifier_reader,
    text_of,
)
from target_braze_cohorts.intake.removal_flag import is_removal
from target_braze_cohorts.settings.changes_stream import changes_stream
from target_braze_cohorts.settings.identifier_kinds import ALIAS
from target_braze_cohorts.settings.identifier_property import is_joined, profile_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze_cohorts.intake.rejected_members import RejectedMembers

    Take = Callable[[dict[str, Any]], None]


class MemberStage(Protocol):
    """The store for members and profiles until the input ends."""

    def add_member(self, cohort: int, member: str, *, removed: bool) -> None:
        """Store a member record of the cohort with this number."""

    def add_profile(self, member: str, identifier: str | None, *, of_record: bool = False) -> None:
        """Store the identifier in a member's profile or own record; None if it has none."""


@dataclass
class Cohort:
    """A cohort in the input.

    Attributes:
        number: The number of the cohort in staging, from 1.
        id: The id in the source, as text.
        name: The name. None until the cohort's own record is read.
        created: When the cohort was created, as the source writes it.
        count: The number of members in the cohort's own record.
        has_wrong_count: Whether this number is not a whole number, and so proves nothing.
        nameless: The number of member records without a usable id. They are not staged.
        set_aside: The number of records that a stream map could not process, or too large to be
            read.
        not_members: The number of records marked as removed in a stream of full lists. They are not
            staged.
        has_list: Whether the stream of full lists has records of this cohort.
        by_changes: Whether the input holds only changes of this cohort: who entered and who left.
    """

    number: int
    id: str
    name: str | None = None
    created: str | None = None
    count: int | None = None
    has_wrong_count: bool = False
    nameless: int = 0
    set_aside: int = 0
    not_members: int = 0
    has_list: bool = False
    by_changes: bool = False

    def take_own_record(self, record: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Read the cohort's own record.

        Args:
            record: The record.
            config: The target's settings, which name its fields.
        """
        self.name = text_of(record.get(config["cohort_name_field"])) or self.name
        self.created = text_of(record.get(config["cohort_created_field"])) or self.created
        count = record.get(config["cohort_count_field"])
        self.count = exact_count(count)
        self.has_wrong_count = self.count is None and not is_absent(count)

    def saw_person(self, *, is_change: bool) -> None:
        """Note a record of a person: an entry of the full list, or a change."""
        self.by_changes |= is_change
        self.has_list |= not is_change

    def decide(self, *, every_person_is_a_change: bool, has_changes_stream: bool) -> None:
        """Decide at the end of the input whether the cohort comes as changes."""
        is_list = self.has_list or (self.count is not None and not self.by_changes)
        self.by_changes = every_person_is_a_change or (has_changes_stream and not is_list)


class Intake:
    """Read records by the role of their stream, and collect the cohorts."""

    def __init__(
        self, config: Mapping[str, Any], staging: MemberStage, rejects: RejectedMembers
    ) -> None:
        """Start without cohorts.

        Args:
            config: The settings of the target.
            staging: The store for members and profiles.
            rejects: The dead letter for member records without an id of the cohort or the member.
        """
        self.cohorts: dict[str, Cohort] = {}
        self.passed_over: set[str] = set()
        """Ids of cohorts in the input that the setting `cohort_ids` excludes."""
        self._config = config
        self._staging = staging
        self._rejects = rejects
        selected = config.get("cohort_ids")
        self._selected = None if selected is None else {str(value) for value in selected}
        # A member may come before the record with its cohort's name. So if the setting has names,
        # all cohorts are read first, and `select_by_name` drops the others at the end.
        self._undecided = any(not value.isdigit() for value in self._selected or ())
        self._known_names: dict[str, str | None] = {}
        self._changes = changes_stream(config)
        self._member_fields = (config["member_cohort_id_field"], config["member_id_field"])
        self._kind = config["identifier"]
        self._identifier_of = identifier_reader(self._kind)
        self._read_member = id_of if is_joined(config) else self._identifier_of
        self.set_aside = 0
        """Records that no stream map could take, or too large to be read."""
        self._set_aside_of_cohorts = 0
        self.unusable = 0
        """The number of records whose identifier has a wrong form: not an e-mail address, say."""
        self._has_identified_profile = self._has_identified_member = False
        self._has_identified_records = False
        self._profile_fields = profile_fields(config["external_id_property"])
        cohorts, members = config["cohorts_stream"], config["members_stream"]
        self.cohorts_evidence = StreamEvidence(cohorts)
        self.members_evidence = StreamEvidence(members, {cohorts})
        self.profiles_evidence = StreamEvidence(config["profiles_stream"])
        self.changes_evidence = StreamEvidence(self._changes.name or members)

    @property
    def takes_changes(self) -> bool:
        """Whether the input may have changes. Then a cohort that is not in it has no changes."""
        return self._changes.in_members or (
            self._changes.name is not None and self.changes_evidence.began
        )

    @property
    def joined(self) -> bool:
        """Whether identifiers come from profiles."""
        return is_joined(self._config)

    @property
    def has_records(self) -> bool:
        """Whether the input has any record of a cohort or a member."""
        return (
            self.cohorts_evidence.has_records
            or self.members_evidence.has_records
            or self.changes_evidence.has_records
        )

    @property
    def lacks_profiles(self) -> bool:
        """Whether identifiers must come from profiles, but the input has no profiles stream."""
        has_people = self.members_evidence.has_records or self.changes_evidence.has_records
        return (
            self.joined
            and (has_people or (self.has_records and not self.takes_changes))
            and not (self.profiles_evidence.began or self._has_identified_records)
        )

    @property
    def has_only_profiles_without_id(self) -> bool:
        """Whether the input has profiles, and neither they nor member records an identifier."""
        is_identified = self._has_identified_profile or self._has_identified_member
        return self.profiles_evidence.has_records and not is_identified

    def evidence(self) -> tuple[StreamEvidence, ...]:
        """Return the evidence of each stream."""
        lists = (self.cohorts_evidence, self.members_evidence, self.profiles_evidence)
        return lists if self._changes.name is None else (*lists, self.changes_evidence)

    def evidence_at_end(self, *, cut: bool) -> InputEvidence:
        """Return the proof that the input is complete. Call it after the end of the input.

        Args:
            cut: Whether the input ended in the middle of a line.
        """
        cohorts, members = self.cohorts_evidence, self.members_evidence.complete
        return InputEvidence(
            cut=cut,
            members_complete=members,
            # Without a stream of cohorts, the complete members stream names all cohorts that have
            # members.
            every_cohort_came=members
            and (cohorts.complete or not cohorts.began)
            and not self.takes_changes
            and not self.set_aside,
            profiles_complete=not self.joined
            or (self.profiles_evidence.complete and not self.set_aside),
            set_aside=self.set_aside - self._set_aside_of_cohorts,
        )

    def roles(self, stream: str) -> list[Take]:
        """Return the functions that read a stream's records. Empty: the stream has no role."""
        config = self._config
        takes: list[Take] = []
        if stream == config["cohorts_stream"]:
            takes.append(self.take_cohort)
        if stream == config["members_stream"]:
            takes.append(self.take_member)
        if stream == self._changes.name:
            takes.append(self.take_change)
        if stream == config["profiles_stream"] and self.joined:
            takes.append(self.take_profile)
        return takes

    def is_selected(self, cohort_id: str) -> bool:
        """Return whether the setting `cohort_ids` includes a cohort, by its id or name."""
        if self._selected is None or cohort_id in self._selected:
            return True
        cohort = self.cohorts.get(cohort_id)
        name = (cohort and cohort.name) or self._known_names.get(cohort_id)
        return name is not None and not name.isdigit() and name in self._selected

    def select_by_name(self, known: Mapping[str, str | None]) -> None:
        """Drop the cohorts that `cohort_ids` does not include, at the end of the input.

        Args:
            known: Cohort id → name, for the cohorts of earlier runs. A name in the input is used
                first.
        """
        self._known_names = dict(known)
        for cohort_id in [one for one in self.cohorts if not self.is_selected(one)]:
            self.passed_over.add(cohort_id)
            # The name is kept in `_known_names`, so that `is_selected` still finds it.
            self._known_names[cohort_id] = self.cohorts.pop(cohort_id).name
        self._undecided = False

    def recall(self, cohort_id: str) -> None:
        """Add a cohort of an earlier run, as if the input had it without members."""
        self._cohort(cohort_id)

    def settle(self) -> None:
        """Decide at the end of the input which cohorts come as changes.

        If the input has a stream of changes, these are the cohorts with records in it, and the
        cohorts without any member records whose own record has no count: they were only renamed, or
        have no changes.
        """
        for cohort in self.cohorts.values():
            cohort.decide(
                every_person_is_a_change=self._changes.in_members,
                has_changes_stream=self.takes_changes,
            )

    def take_cohort(self, record: dict[str, Any]) -> None:
        """Read a record of the cohorts stream."""
        self.cohorts_evidence.saw_record()
        config = self._config
        cohort = self._cohort(id_of(record.get(config["cohort_id_field"])))
        if cohort is not None:
            cohort.take_own_record(record, config)

    def take_member(self, record: dict[str, Any]) -> None:
        """Read a record of the members stream."""
        self._take_person(record, self.members_evidence, is_change=self._changes.in_members)

    def take_change(self, record: dict[str, Any]) -> None:
        """Read a record of the stream of changes."""
        self._take_person(record, self.changes_evidence, is_change=True)

    def take_rejected(self, stream: str, record: Mapping[str, Any]) -> None:
        """Count a record that cannot be read or mapped: its person is not known.

        If the record names a cohort, it counts there as set aside.

        Args:
            stream: The name of the stream, after stream maps.
            record: The record before stream maps, or what can be read of it.
        """
        self.set_aside += 1
        for evidence in self.evidence():
            if evidence.stream == stream:
                evidence.saw_record()
        if stream in {self.members_evidence.stream, self._changes.name}:
            cohort = self._cohort(id_of(record.get(self._member_fields[0])))
            if cohort is not None:
                is_change = self._changes.in_members or stream == self._changes.name
                cohort.saw_person(is_change=is_change)
                cohort.set_aside += 1
                self._set_aside_of_cohorts += 1

    def _take_person(
        self, record: dict[str, Any], evidence: StreamEvidence, *, is_change: bool
    ) -> None:
        evidence.saw_record()
        cohort_field, member_field = self._member_fields
        cohort_id = id_of(record.get(cohort_field))
        cohort = self._cohort(cohort_id)
        if cohort is None:
            if cohort_id is None:
                self._rejects.nameless(record, "without_cohort_id")
            return
        if is_change:
            cohort.by_changes = True
        else:
            cohort.has_list = True
        removed = is_removal(record, evidence.stream)
        if removed and not is_change:
            cohort.not_members += 1
            return
        member = self._read_member(record.get(member_field))
        if self._kind == ALIAS and member is not None:
            member = self._alias(record, member)
        if member is None:
            cohort.nameless += 1
            is_unusable = not self.joined and self._is_unusable(record.get(member_field))
            self.unusable += is_unusable
            reason = f"unusable_{self._kind}" if is_unusable else "without_identifier"
            self._rejects.nameless(record, reason)
            return
        self._staging.add_member(cohort.number, member, removed=removed)
        if self.joined and any(field in record for field in self._profile_fields):
            self._has_identified_records = True
            self._has_identified_member |= self._add_profile(member, record, of_record=True)

    def take_profile(self, record: dict[str, Any]) -> None:
        """Read a record of the profiles stream."""
        self.profiles_evidence.saw_record()
        member = id_of(record.get(self._config["member_id_field"]))
        if member is not None:
            self._has_identified_profile |= self._add_profile(member, record)

    def _add_profile(
        self, member: str, record: Mapping[str, Any], *, of_record: bool = False
    ) -> bool:
        """Stage the identifier of a member. Return whether the record has an identifier."""
        values = [record.get(field) for field in self._profile_fields]
        identifier = next(filter(None, map(self._identifier_of, values)), None)
        if identifier is None:
            self.unusable += any(map(self._is_unusable, values))
        self._staging.add_profile(member, identifier, of_record=of_record)
        return identifier is not None

    def _is_unusable(self, value: object) -> bool:
        """Return whether a value is present but has the wrong form for an identifier."""
        return self._kind in CONTACTS and not is_absent(value)

    def _cohort(self, cohort_id: str | None) -> Cohort | None:
        if cohort_id is None:
            return None
        cohort = self.cohorts.get(cohort_id)
        if cohort is not None:
            return cohort
        if not (self._undecided or self.is_selected(cohort_id)):
            self.passed_over.add(cohort_id)
            return None
        cohort = self.cohorts[cohort_id] = Cohort(len(self.cohorts) + 1, cohort_id)
        return cohort

    def _alias(self, record: Mapping[str, Any], name: str) -> str | None:
        field = self._config.get("alias_label_field")
        label = text_of(record.get(field)) if field else None
        label = label or self._config.get("alias_label")
        return alias_identifier(name, label) if label else None
