"""Read the setting `changes_stream`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CHANGES_STREAM: Final = "cohort_changes"
_WORDS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
    "": False,
}


class ChangesStream(NamedTuple):
    """The streams with changes.

    Attributes:
        in_members: Whether the records of `members_stream` are changes.
        name: The stream of changes besides the stream of full lists, or None.
    """

    in_members: bool
    name: str | None


def changes_stream(config: Mapping[str, Any]) -> ChangesStream:
    """Return the meaning of the setting: true, false, or the name of a stream.

    Args:
        config: The settings of the target. Meltano passes true and false as text.
    """
    value = config["changes_stream"]
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower(), value)
    if isinstance(value, bool) or value is None:
        return ChangesStream(in_members=bool(value), name=None)
    return ChangesStream(in_members=False, name=str(value))
