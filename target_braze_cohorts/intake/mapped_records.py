"""Apply stream maps. A record that a map cannot process goes to the dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.settings.redaction import masked
from braze_mixpanel.singer.stream_map_errors import UnmappedRecordError, map_record

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from singer_sdk.mapper import StreamMap

    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.rejected_members import RejectedMembers


class MappedRecords:
    """Map the records of a run, and find maps that fail for every record of their stream."""

    def __init__(self, logger: logging.Logger) -> None:
        """Start without records.

        Args:
            logger: Logs why a map fails, once for each stream.
        """
        self._logger = logger
        self._mapped: set[str] = set()
        self._unmapped: dict[str, UnmappedRecordError] = {}

    def apply(
        self,
        stream_map: StreamMap,
        record: Mapping[str, Any],
        schema_message: Mapping[str, Any],
        intake: Intake,
        rejects: RejectedMembers,
    ) -> dict[str, Any] | None:
        """Map a record. If the map fails, count the record and write it to the dead letter.

        Args:
            stream_map: The stream map.
            record: The record before the map.
            schema_message: The SCHEMA message of the stream.
            intake: Counts the failed records.
            rejects: Writes the dead letter.

        Returns:
            The mapped record, or None if the map filters the record out or fails.

        Raises:
            SettingsError: The map fails on every record.
        """
        stream = schema_message["stream"]
        try:
            mapped = map_record(stream_map, record)
        except UnmappedRecordError as error:
            if stream not in self._unmapped:
                self._unmapped[stream] = error
                cause = one_line(masked(str(error)))
                self._logger.warning("%s Such records go to the dead letter.", cause)
            intake.take_rejected(stream_map.stream_alias, record)
            rejects.unmapped(record, schema_message=schema_message, message=str(error))
            return None
        self._mapped.add(stream)
        return mapped

    def mistake(self) -> UnmappedRecordError | None:
        """Return the error of a map that failed for all records of its stream, or None."""
        wrong = sorted(self._unmapped.keys() - self._mapped)
        return self._unmapped[wrong[0]] if wrong else None
