"""Finds streams whose records no stream map changes, so that no record needs work of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.mapper import SameRecordTransform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.mapper import StreamMap


def is_unchanged(maps: Sequence[StreamMap]) -> bool:
    """Return whether the stream maps of a stream leave its records unchanged."""
    only = maps[0]
    return len(maps) == 1 and isinstance(only, SameRecordTransform) and not only.flattening_enabled
