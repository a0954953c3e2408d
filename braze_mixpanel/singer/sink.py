"""The base of the sinks: the SDK's class, for sinks that need little of their target."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from singer_sdk.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Target

TargetT = TypeVar("TargetT")
"""A Protocol that says what the sink needs of its target."""


class StreamSink(Sink, Generic[TargetT]):
    """Takes the records of one stream."""

    def __init__(
        self,
        target: TargetT,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Prepare the stream, see `prepare`.

        Args:
            target: Whatever the sink needs of its target.
            stream_name: The stream, after stream maps.
            schema: Its JSON Schema, after stream maps.
            key_properties: Its key, after stream maps.
        """
        super().__init__(cast("Target", target), stream_name, schema, key_properties)
        self.prepare(target, schema, key_properties)

    @abstractmethod
    def prepare(
        self, target: TargetT, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Prepare for the records of the stream `stream_name`.

        Args:
            target: What the sink needs of its target.
            schema: Its JSON Schema, after stream maps.
            key_properties: Its key, after stream maps.
        """

    def get_validator(self) -> None:
        """Return no validator: the service's rules count, and taps' schemas are not reliable."""
