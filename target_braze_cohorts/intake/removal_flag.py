"""Whether a member record takes its member out. Pure, and asked for every record."""

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
"""Also how databases and data frames write that there is no value."""
_TRUE: Final = frozenset({"1", "1.0", "on", "t", "true", "y", "yes"})
_KINDS: Final = {
    str: "another text",
    int: "another number",
    float: "another number",
    list: "a list",
}


def is_removal(record: Mapping[str, Any], stream: str) -> bool:
    """Tell whether a record says that its member is none, or none any more.

    Args:
        record: A record of the members stream.
        stream: The stream, for the message.

    Raises:
        InputError: `should_remove` is neither true nor false. A guess would take people out, or
            leave them in, against what the source means.
    """
    flag, deleted = record.get(SHOULD_REMOVE), record.get(DELETED_AT)
    removed = flag is not None and _is_true(flag, stream)
    # A time of deletion may be written in any way.
    return removed or (deleted is not None and _word(deleted) not in _FALSE)


def _is_true(flag: Any, stream: str) -> bool:  # noqa: ANN401
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
        "or false (or null, 1 or 0, yes or no): mend it in the source or with stream_maps. "
        "What came before it was processed, and nobody was removed."
    )


def _word(value: Any) -> str:  # noqa: ANN401
    return str(value).strip().casefold()
