"""Encode many file names in few characters, in a form that a person can still read. Pure: no I/O.

STATE names each file of the open hours, and Meltano stores and logs it, so it should be short.
Braze names a file `<partition>+<offset>`, and the offsets of a partition grow. So only the first
name of a partition is written in full. Each further name is written as the distance between its
offset and the one before, in base 36:

    {"folder": "…/158/prod-01", "day": "2026-11-25",
     "hours": "06 0+0000507779 ej du*3 1+0000000100 7 | 07 0>e8 1>k"}

    06                the hour of the day
    0+0000507779      partition 0, offset 507,779: the name in full
    ej                the next file of the same partition: its offset is 523 higher
    du*3              three more files, each with an offset 498 higher than the one before
    | 07              the next hour
    0>e8              partition 0 again: 512 higher than its last offset in an earlier hour

Names in another form are listed in full: {"folder": …, "hour": …, "names": […]}. Version 1 of the
state lists all names in this way.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tap_braze_currents.bucket.layout import is_hour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Names = Mapping[tuple[str, str], Iterable[str]]
    """(folder, hour) → names."""

_USUAL = re.compile(r"([0-9]{1,9})\+([0-9]{1,18})")
_DAY = len("2026-11-25")
_MOST_REPEATS = 100_000
"""A damaged state must not make the tap build names without end."""


def encode_names(names: Names) -> list[dict[str, Any]]:
    """Encode file names. The order of the names does not change the result.

    Args:
        names: (folder, hour) → names of the files there, as in `FileKey`.

    Returns:
        JSON values, in the order of folders and days.
    """
    result: list[dict[str, Any]] = []
    places = sorted(place for place, found in names.items() if found)
    # `ends` holds the last width and offset of each partition. It lives as long as the folder stays
    # the same, so that `0>e8` can refer to an earlier hour or day of this folder.
    for (folder, day), group in groupby(places, key=lambda place: (place[0], place[1][:_DAY])):
        if not result or result[-1]["folder"] != folder:
            ends: dict[str, tuple[int, int]] = {}
        hours, others = [], []
        for place in group:
            usual, odd = _sorted(names[place])
            if usual:
                hours.append(f"{place[1][_DAY + 1 :]} {' '.join(_tokens(usual, ends))}")
            if odd:
                others.append({"folder": folder, "hour": place[1], "names": odd})
        if hours:
            result.append({"folder": folder, "day": day, "hours": " | ".join(hours)})
        result.extend(others)
    return result


def decode_names(coded: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """Decode the result of `encode_names`, or a list of version 1 of the state.

    Returns:
        (folder, hour) → names.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: The value has another form.
    """
    result: dict[tuple[str, str], set[str]] = {}
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in coded:
        folder = str(entry["folder"])
        if "names" in entry:
            place = (folder, _checked_hour(entry["hour"]))
            result.setdefault(place, set()).update(texts(entry["names"]))
            continue
        for part in entry["hours"].split(" | "):
            hour, *tokens = part.split(" ")
            place = (folder, _checked_hour(f"{entry['day']}-{hour}"))
            result.setdefault(place, set()).update(_names(folder, tokens, ends))
    return result


def texts(values: object) -> list[str]:
    """Return the value if it is a list of strings.

    Raises:
        ValueError: The value is something else.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{str(values)[:40]!r} is not a list of strings")
    return values


def _sorted(names: Iterable[str]) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Return the usual names as sorted (partition, width, offset), and the other names sorted."""
    usual, odd = [], []
    for name in names:
        if found := _USUAL.fullmatch(name):
            usual.append((found[1], len(found[2]), int(found[2])))
        else:
            odd.append(name)
    return sorted(usual), sorted(odd)


def _tokens(
    names: Iterable[tuple[str, int, int]], ends: dict[str, tuple[int, int]]
) -> Iterator[str]:
    """Yield the tokens for the names of one hour.

    Args:
        names: (partition, width, offset), sorted. `width` is the number of digits of the offset.
        ends: Partition → its last width and offset. Updated here.
    """
    # A distance is not yielded at once: equal distances are counted, and yielded as one token
    # (`du*3`) when another distance or another partition follows.
    before = ""
    distance, times = 0, 0
    for partition, width, offset in names:
        last_width, last = ends.get(partition, (0, 0))
        is_next = partition == before and width == last_width
        if is_next and offset - last == distance and times:
            times += 1
        else:
            if times:
                yield f"{_base36(distance)}*{times}" if times > 1 else _base36(distance)
            distance, times = offset - last, int(is_next)
            # The first name of a partition in this hour: short if an earlier hour had a smaller
            # offset of the same width, in full otherwise.
            if not is_next and width == last_width and distance >= 0 and partition != before:
                yield f"{partition}>{_base36(distance)}"
            elif not is_next:
                yield f"{partition}+{offset:0{width}d}"
        ends[partition] = (width, offset)
        before = partition
    if times:
        yield f"{_base36(distance)}*{times}" if times > 1 else _base36(distance)


def _names(
    folder: str, tokens: Iterable[str], ends: dict[tuple[str, str], tuple[int, int]]
) -> Iterator[str]:
    """Yield the names of one hour. This is the reverse of `_tokens`."""
    partition = ""
    for token in tokens:
        if found := _USUAL.fullmatch(token):
            partition = found[1]
            ends[folder, partition] = (len(found[2]), int(found[2]))
            yield token
            continue
        before, sign, rest = token.rpartition(">")
        partition = before if sign else partition
        width, offset = ends[folder, partition]
        distance, _, times = rest.partition("*")
        step, count = int(distance, 36), int(times or 1)
        if count > _MOST_REPEATS:
            raise ValueError(f"{token!r} repeats too often")
        for _ in range(count):
            offset += step
            yield f"{partition}+{offset:0{width}d}"
        ends[folder, partition] = (width, offset)


@lru_cache(maxsize=50_000)
def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def _checked_hour(text: str) -> str:
    if not is_hour(text):
        raise ValueError(f"{text!r} is not an hour")
    return text
