"""Keys with dots, as Meltano hands them over, become what was written again."""

from __future__ import annotations

from typing import Any

import pytest

from braze_mixpanel.settings.dotted_keys import (
    find_ambiguous_maps,
    join_keys_of_objects,
    join_keys_of_texts,
    restore_stream_maps,
)

NAMES = ("orders", "public.orders", "public.visits", "users.messages.email.Open", "a.b.c.d.e")


def as_meltano_does(value: Any) -> Any:
    """Split the keys at their dots, and write null as an empty object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    nested: dict[str, Any] = {}
    for key, item in value.items():
        *path, last = key.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        content = as_meltano_does(item)
        if isinstance(place.get(last), dict) and isinstance(content, dict):
            content = {**place[last], **content}
        place[last] = content
    return nested


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_texts_and_objects_come_back_whatever_the_names(first, second) -> None:
    texts = {first: "A", second: "B"}
    assert join_keys_of_texts(as_meltano_does(texts)) == texts
    objects = {first: {"event": "A", "time": "t"}, second: {"event": "B", "time": "t"}}
    assert join_keys_of_objects(as_meltano_does(objects)) == objects
    assert join_keys_of_texts(texts) == texts
    assert join_keys_of_objects(objects) == objects


def test_a_stream_whose_name_begins_like_another_keeps_its_own_parts() -> None:
    written = {"public": {"event": "P", "time": "t"}, "public.orders": {"event": "O", "time": "t"}}
    assert join_keys_of_objects(as_meltano_does(written)) == written


@pytest.mark.parametrize("name", NAMES)
def test_the_nulls_of_stream_maps_come_back(name) -> None:
    maps = {name: {"email": None, "phone": "__NULL__", "x": "a + 1"}, "__else__": None}
    assert restore_stream_maps(as_meltano_does(maps)) == maps
    assert restore_stream_maps(maps) == maps


def test_a_stream_that_may_have_been_null_is_refused_within_meltano_only() -> None:
    maps = restore_stream_maps(as_meltano_does({"orders": None, "visits": {"email": None}}))
    (found,) = find_ambiguous_maps(maps, {"MELTANO_PROJECT_ROOT": "anywhere"})
    assert "orders is empty" in found
    assert not find_ambiguous_maps(maps, {})
