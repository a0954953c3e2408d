"""The mapper of each stream of a run, and the streams that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.stream_map_names import has_map
from target_mixpanel.mapping.currents import event_type_of_stream
from target_mixpanel.mapping.event import UnmappedStreamMapper
from target_mixpanel.mapping.mapper_choice import choose_mapper

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from target_mixpanel.mapping.event import Mapper

MOST_NAMED: Final = 100
"""Streams that a warning names, so that a broken tap does not fill the log."""
MOST_EXPLAINED: Final = 3
"""Streams whose reason the last line gives."""


class StreamMappers:
    """Chooses mappers. A stream that cannot be mapped costs that stream, not the run."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        hold_state_back: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        """Start without streams.

        Args:
            settings: The target's settings.
            hold_state_back: Called when a stream is left out, so that its records come again.
            logger: Logs which stream is left out.
        """
        self._settings, self._hold_state_back, self._logger = settings, hold_state_back, logger
        self._left_out: dict[str, SettingsError] = {}
        self.event_types: dict[str, str] = {}
        """Stream after stream maps → its event type; empty for a stream of another tap."""

    def may_map(self, stream: str) -> bool:
        """Return whether a stream, before stream maps, may become events; a map can rename it."""
        settings = self._settings
        is_known = stream in settings["streams"] or event_type_of_stream(stream) is not None
        return is_known or has_map(stream, settings.get("stream_maps"))

    def choose(self, stream: str, schema: dict[str, Any], key_properties: Sequence[str]) -> Mapper:
        """Choose the mapper for the records of a stream.

        Args:
            stream: The stream, after stream maps.
            schema: Its JSON Schema.
            key_properties: Its key.

        Returns:
            The mapper. A stream that is neither of Currents nor in the setting `streams` gets one
            that skips its records; the run goes on with the others and fails at its end.
        """
        self.event_types[stream] = ""
        try:
            mapper = choose_mapper(stream, schema, key_properties, self._settings)
        except SettingsError as error:
            return self.leave_out(stream, error)
        self.event_types[stream] = getattr(mapper, "event_type", "")
        return mapper

    def leave_out(self, stream: str, error: SettingsError) -> Mapper:
        """Leave a stream out of this run, and hold STATE back so that its records come again.

        Args:
            stream: The stream, after stream maps.
            error: Why it cannot be mapped.

        Returns:
            A mapper that skips its records.
        """
        if stream not in self._left_out:
            self._left_out[stream] = error
            self._hold_state_back()
            if len(self._left_out) <= MOST_NAMED:
                self._logger.warning(
                    "Stream %s cannot be mapped and is left out. The run goes on with the other "
                    "streams and fails at its end.",
                    stream,
                )
        return UnmappedStreamMapper(stream)

    def require_all_mapped(self) -> None:
        """Fail at the end of a run that left a stream out.

        Raises:
            SettingsError: Why each of them could not be mapped.
        """
        if self._left_out:
            errors = [*self._left_out.values()]
            reasons = " ".join(map(str, errors[:MOST_EXPLAINED]))
            if len(errors) > MOST_EXPLAINED:
                reasons += f" {len(errors) - MOST_EXPLAINED} more streams are left out."
            raise SettingsError(
                f"{reasons} What the other streams sent was delivered; STATE was held back, so run "
                "again after the change."
            )
