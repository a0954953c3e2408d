"""Write members that cannot be delivered to the dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from braze_mixpanel.singer.large_records import unread_record
from target_braze_cohorts.intake.identity import alias_object
from target_braze_cohorts.settings.identifier_kinds import ALIAS
from target_braze_cohorts.settings.identifier_property import is_joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from braze_mixpanel.files.dead_letter import DeadLetter


class RefusedMember(NamedTuple):
    """A member that Braze refused.

    Attributes:
        identifier: The member.
        is_removal: Whether the request removed the member; false if it added the member.
        reason: Short name of the cause.
        message: Braze's message.
        status: The HTTP status of its answer.
    """

    identifier: str
    is_removal: bool
    reason: str
    message: str
    status: int


class RejectedMembers:
    """Write dead letters as records of the members stream, so that the file can be replayed."""

    def __init__(self, config: Mapping[str, Any], dead_letter: DeadLetter) -> None:
        """Wire the parts.

        Args:
            config: The settings of the target.
            dead_letter: The file of the run.
        """
        self._config = config
        self._dead_letter = dead_letter
        stream = config["members_stream"]
        self._schema: Mapping[str, Any] = {
            "stream": stream,
            "schema": {"type": "object", "properties": {}},
            "key_properties": [],
        }

    def set_schema(self, schema: Mapping[str, Any], key_properties: Sequence[str] | None) -> None:
        """Use the schema in the SCHEMA message of the members stream.

        Args:
            schema: The JSON Schema of the stream.
            key_properties: The names of its key fields.
        """
        self._schema = {**self._schema, "schema": schema, "key_properties": key_properties}

    @property
    def where(self) -> str | None:
        """The path of the file or the URL of its parts. None if nothing was written."""
        return self._dead_letter.where if self._dead_letter.count else None

    def nameless(self, record: Mapping[str, Any], reason: str) -> None:
        """Write a member record that has no id of the member or of the cohort."""
        self._add(record, reason)

    def unmapped(
        self, record: Mapping[str, Any], *, schema_message: Mapping[str, Any], message: str
    ) -> None:
        """Write a record that a stream map could not process, as the tap wrote it.

        Args:
            record: The record before stream maps.
            schema_message: The SCHEMA message of the stream.
            message: The error of the map.
        """
        self._dead_letter.add(
            schema_message["stream"],
            record,
            schema=schema_message,
            reason="stream_maps cannot be applied",
            message=message,
        )

    def too_large(self, line: bytes, *, schema_message: Mapping[str, Any], message: str) -> None:
        """Write a record that is too large to be read, as the tap wrote it.

        Args:
            line: Its RECORD message.
            schema_message: The SCHEMA message of its stream.
            message: Why it cannot be read.
        """
        self._dead_letter.add(
            schema_message["stream"],
            unread_record(line, whole_message=True),
            schema=schema_message,
            reason="too large",
            message=message,
        )

    def without_identifier(self, cohort_id: str, member: str) -> None:
        """Write a member whose profile has no identifier, or is not in the input."""
        self._add(self._record(cohort_id, member), "without_identifier")

    def refused(self, cohort_id: str, refusal: RefusedMember) -> None:
        """Write a member whom Braze refused."""
        record = self._record(cohort_id, refusal.identifier)
        if is_joined(self._config):  # so that the file can be sent again without the profiles
            record[self._config["external_id_property"]] = refusal.identifier
        self._add(
            {**record, "should_remove": refusal.is_removal},
            refusal.reason,
            message=refusal.message,
            status=refusal.status,
        )

    def check(self) -> None:
        """Check that the store of the dead letter can be used, without writing to it."""
        self._dead_letter.check()

    def flush(self) -> None:
        """Flush the file to the disk."""
        self._dead_letter.flush()

    def close(self) -> None:
        """Flush and close."""
        self._dead_letter.close()

    def _record(self, cohort_id: str, identifier: str) -> dict[str, Any]:
        config = self._config
        record = {config["member_cohort_id_field"]: cohort_id}
        if config["identifier"] != ALIAS:
            return {**record, config["member_id_field"]: identifier}
        alias = alias_object(identifier)
        record[config["member_id_field"]] = alias["alias_name"]
        if config.get("alias_label_field"):
            record[config["alias_label_field"]] = alias["alias_label"]
        return record

    def _add(self, record: Mapping[str, Any], reason: str, **details: str | int) -> None:
        self._dead_letter.add(
            self._config["members_stream"], record, schema=self._schema, reason=reason, **details
        )
