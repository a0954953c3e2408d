r"""Restore settings whose keys Meltano has split at their dots. Pure.

Meltano reads a dot in a key as nesting: `users.messages.email.Open: X` in meltano.yml reaches the
plugin as `{"users": {"messages": {"email": {"Open": "X"}}}}`. With the value processor that
`stream_maps` has in meltano.yml, Meltano also changes null to an empty object: `email: null`
becomes `email: {}`. Without this processor, the entry would be missing.

The type of a setting's values shows where a key ends, so both changes can be undone:

- a setting of texts (`event_names`): a key ends at a text;
- a setting of objects (`streams`, `stream_maps`): a key ends at an object with values that are not
  objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_ELSE: Final = "__else__"


def join_keys_of_texts(value: Mapping[str, Any]) -> dict[str, Any]:
    """Join the keys that lead to a text.

    Args:
        value: A setting whose values are texts.

    Returns:
        The same with one level; `{"users": {"Open": "X"}}` gives `{"users.Open": "X"}`.
    """
    joined: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            joined |= {f"{key}.{rest}": to for rest, to in join_keys_of_texts(item).items()}
        else:
            joined[key] = item
    return joined


def join_keys_of_objects(value: Mapping[str, Any]) -> dict[str, Any]:
    """Join the keys that lead to an object of other values than objects.

    Args:
        value: A setting whose values are objects that hold no filled object.

    Returns:
        The same with two levels; `{"public": {"orders": {"event": "E"}}}` gives
        `{"public.orders": {"event": "E"}}`. An empty object counts as a value.
    """
    joined: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(item, dict):
            joined[key] = item
            continue
        inner = {name: part for name, part in item.items() if isinstance(part, dict) and part}
        parts = {name: part for name, part in item.items() if name not in inner}
        if parts or not inner:
            joined[key] = parts
        for rest, part in join_keys_of_objects(inner).items():
            joined[f"{key}.{rest}"] = part
    return joined


def restore_stream_maps(maps: Mapping[str, Any]) -> dict[str, Any]:
    """Join the names of streams, and write the nulls of fields and of `__else__` again.

    Args:
        maps: The setting `stream_maps`.

    Returns:
        The maps as they were written. An empty object for a stream is kept, although it may have
        been null, see `find_ambiguous_maps`.
    """
    restored = join_keys_of_objects(maps)
    if restored.get(_ELSE) == {}:
        restored[_ELSE] = None
    return {
        stream: {field: None if to == {} else to for field, to in parts.items()}
        if isinstance(parts, dict)
        else parts
        for stream, parts in restored.items()
    }


def find_ambiguous_maps(maps: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    """Return the streams for which Meltano's form does not show whether to remove or keep them.

    Args:
        maps: The setting `stream_maps`, restored.
        variables: The environment, which shows whether Meltano runs the plugin.

    Returns:
        One message for each stream.
    """
    if "MELTANO_PROJECT_ROOT" not in variables:
        return []
    return [
        f"Setting stream_maps is wrong: {stream} is empty, which is also how Meltano writes null. "
        f"Write {stream}: __NULL__ to remove the stream, or map one field to itself to keep it."
        for stream, parts in maps.items()
        if parts == {}
    ]
