"""Writes many file names as few characters that a person can still follow. Pure.

Braze names a file `<partition>+<offset>`, and the offsets of a partition grow. So only the first
name of a partition is written whole; the others follow as distances, in base 36 to be short:

    {"folder": "…/158/prod-01", "day": "2026-11-25",
     "hours": "06 0+0000507779 ej du*3 1+0000000100 7 | 07 0>e8 1>k"}

    06                the hour of the day
    0+0000507779      partition 0, offset 507,779, as the file is named
    ej                the next file of the same partition: 523 further on
    du*3              three more, each 498 further on
    | 07              the next hour
    0>e8              partition 0 goes on 512 behind its last offset of an earlier hour

Other names are listed as they are: {"folder": …, "hour": …, "names": […]}. So were all names in
version 1 of the state.
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


def encode_names(names: Names) -> list[dict[str, Any]]:
    """Code names; the result is the same for the same names in any order.

    Args:
        names: (folder, hour) → the names of files there.

    Returns:
        JSON values, in the order of folders and days.
    """
    result: list[dict[str, Any]] = []
    places = sorted(place for place, found in names.items() if found)
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
    """Read what `encode_names` wrote, or version 1 of the state.

    Returns:
        (folder, hour) → names.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: It is something else.
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
    """Check that a value is a list of texts.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{str(values)[:40]!r} is no list of texts")
    return values


def _sorted(names: Iterable[str]) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Split names into (partition, width, offset) in order, and those of another form."""
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
    """Write the names of one hour; `ends` holds each partition's last width and offset."""
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
    """Read the names of one hour."""
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
            raise ValueError(f"{token!r} stands for too many names")
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
        raise ValueError(f"{text!r} is no hour")
    return text
