"""Choose the mapper of each stream of a run, and keep the streams that cannot be mapped."""

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
"""The most streams with a warning, so that a broken tap does not fill the log."""
MOST_EXPLAINED: Final = 3
"""The most streams whose reason is in the error at the end."""


class StreamMappers:
    """Choose mappers. If a stream cannot be mapped, the run goes on with the other streams."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        hold_state_back: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        """Start without streams.

        Args:
            settings: The settings of the target.
            hold_state_back: Called when a stream is left out, so that no STATE covers its records.
            logger: The logger for streams that are left out.
        """
        self._settings, self._hold_state_back, self._logger = settings, hold_state_back, logger
        self._left_out: dict[str, SettingsError] = {}
        self.event_types: dict[str, str] = {}
        """Stream after stream maps → its event type, or empty for a stream of another tap."""

    def may_map(self, stream: str) -> bool:
        """Return whether a stream, before stream maps, may become events; a map can rename it."""
        settings = self._settings
        is_known = stream in settings["streams"] or event_type_of_stream(stream) is not None
        return is_known or has_map(stream, settings.get("stream_maps"))

    def choose(self, stream: str, schema: dict[str, Any], key_properties: Sequence[str]) -> Mapper:
        """Return the mapper for the records of a stream.

        Args:
            stream: The name of the stream, after stream maps.
            schema: The JSON Schema of its records.
            key_properties: The names of its key fields.

        Returns:
            The mapper. For a stream that is neither from Currents nor in the setting `streams`, it
            skips all records, and the run fails at its end.
        """
        self.event_types[stream] = ""
        try:
            mapper = choose_mapper(stream, schema, key_properties, self._settings)
        except SettingsError as error:
            return self.leave_out(stream, error)
        self.event_types[stream] = getattr(mapper, "event_type", "")
        return mapper

    def leave_out(self, stream: str, error: SettingsError) -> Mapper:
        """Leave a stream out of this run, and hold STATE back, so that its records come again.

        Args:
            stream: The name of the stream, after stream maps.
            error: The reason why the stream cannot be mapped.

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
        """Raise at the end of the run if a stream was left out.

        Raises:
            SettingsError: A stream could not be mapped. The message has the reasons.
        """
        if self._left_out:
            errors = [*self._left_out.values()]
            reasons = " ".join(map(str, errors[:MOST_EXPLAINED]))
            if len(errors) > MOST_EXPLAINED:
                reasons += f" {len(errors) - MOST_EXPLAINED} more streams are left out."
            raise SettingsError(
                f"{reasons} The other streams were delivered. STATE was held back, so run again "
                "after the change."
            )
