"""Read whether a member record means a removal. Pure. Runs for every record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOULD_REMOVE: Final = "should_remove"
DELETED_AT: Final = "_sdc_deleted_at"

_FALSE: Final = frozenset(
    {"", "0", "0.0", "f", "false", "n", "nan", "nat", "no", "none", "null", "off"}
)
"""Includes the spellings of "no value" in databases and data frames."""
_TRUE: Final = frozenset({"1", "1.0", "on", "t", "true", "y", "yes"})
_KINDS: Final = {
    str: "another text",
    int: "another number",
    float: "another number",
    list: "a list",
}


def is_removal(record: Mapping[str, Any], stream: str) -> bool:
    """Return whether a record says that its member is not in the cohort, or has left it.

    Args:
        record: A record of the members stream.
        stream: The stream, for the error message.

    Raises:
        InputError: `should_remove` is neither true nor false. A guess could remove people who
            are in the cohort, or keep people who have left it.
    """
    flag, deleted = record.get(SHOULD_REMOVE), record.get(DELETED_AT)
    removed = flag is not None and _is_true(flag, stream)
    # A time of deletion has no fixed format: any value counts, unless it means "no value".
    return removed or (deleted is not None and _word(deleted) not in _FALSE)


def _is_true(flag: object, stream: str) -> bool:
    if isinstance(flag, bool):
        return flag
    word = _word(flag)
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    kind = _KINDS.get(type(flag), "an object")
    raise InputError(
        f"A record of stream {stream} has {kind} in the field {SHOULD_REMOVE}, which must be true "
        "or false (or null, 1 or 0, yes or no). Fix it in the source or with stream_maps. "
        "What came before it was processed, and nobody was removed."
    )


def _word(value: object) -> str:
    return str(value).strip().casefold()
