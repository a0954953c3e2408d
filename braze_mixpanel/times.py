"""Read times of other programs exactly, or raise an error. Pure.

Two forms are supported, and there is no guessing between them:

- A number, or digits as text: UNIX seconds, milliseconds, microseconds or nanoseconds. The unit is
  the one that gives a time between 1990 and 2100. The four ranges do not overlap, so there is at
  most one such unit. If there is none, the number is not a time.
- ISO 8601 as text, in the extended form (`2026-11-01T13:05:09.25`, also with a blank for the `T`)
  or the basic one (`20261101T130509,25`). The time of day, its seconds and its minutes may be left
  out. A zone may follow: `Z`, `UTC`, `GMT`, `+00`, `-0700`, `+05:30`. No zone means UTC, as in
  Singer.

Digits alone are a number, with one exception: eight digits are a date, because no UNIX time between
1990 and 2100 has eight digits. `20230808120000` is not a time: ISO 8601 requires a `T` in the basic
form. Python's `fromisoformat` would read the third `1` as a separator, so it is not used.
Digits below a microsecond are cut off.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
EARLIEST_YEAR: Final = 1990
LATEST_YEAR: Final = 2100
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS_PER_MILLISECOND: Final = 1000
_MINUTES_PER_HOUR: Final = 60
_EARLIEST: Final = datetime(EARLIEST_YEAR, 1, 1, tzinfo=timezone.utc)
_LATEST: Final = datetime(LATEST_YEAR + 1, 1, 1, tzinfo=timezone.utc)
_UNITS_PER_SECOND: Final = (1, 10**3, 10**6, 10**9)
_BOUNDS: Final = tuple(
    (
        int((_EARLIEST - EPOCH).total_seconds()) * per_second,
        int((_LATEST - EPOCH).total_seconds()) * per_second,
        per_second,
    )
    for per_second in _UNITS_PER_SECOND
)
EARLIEST_SECONDS, LATEST_SECONDS = _BOUNDS[0][:2]
_LONGEST: Final = 64
"""The most characters of a time. This prevents Python from parsing a number of a million digits."""

_is_number = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch
_is_basic_date = re.compile("[0-9]{8}").fullmatch
_ZONE: Final = "(?: ?(?:[Zz]|UTC|GMT|([+-])([0-9]{2})(?::?([0-9]{2}))?))?"
_FRACTION: Final = "(?:[.,]([0-9]+))?"
_match_extended = re.compile(
    "([0-9]{4})-([0-9]{2})-([0-9]{2})"
    f"(?:[Tt ]([0-9]{{2}})(?::([0-9]{{2}})(?::([0-9]{{2}}){_FRACTION})?)?{_ZONE})?"
).fullmatch
_match_basic = re.compile(
    "([0-9]{4})([0-9]{2})([0-9]{2})"
    f"(?:[Tt]([0-9]{{2}})(?:([0-9]{{2}})(?:([0-9]{{2}}){_FRACTION})?)?{_ZONE})?"
).fullmatch


class UnreadableTimeError(ValueError):
    """A value is not a time, or is outside of the allowed years. The message holds no data."""


def read_time(value: object) -> datetime:
    """Return a time in any supported form, see the module's docstring.

    Args:
        value: A number or text.

    Returns:
        The time, with the zone in the text or UTC.

    Raises:
        UnreadableTimeError: The value is not a time, or is a number outside of 1990 to 2100.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST:
            raise UnreadableTimeError("no number and no ISO 8601 date or time")
        if _is_number(text) and not _is_basic_date(text):
            return _from_number(Decimal(text))
        return _from_iso(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnreadableTimeError("no number and no text")
    if isinstance(value, float):
        # `repr` gives the digits that were written: Decimal("1.1"), not Decimal(1.1) = 1.10…0009.
        value = Decimal(repr(value))
    return _from_number(value)


def read_plausible_time(value: object) -> datetime:
    """Return the time of an event. Unlike `read_time`, this allows only the years 1990 to 2100.

    A zero time or a time in a wrong unit is a mistake of the source, and not a very old event.

    Raises:
        UnreadableTimeError: The value is not a time, or is before 1990 or after 2100.
    """
    moment = read_time(value)
    if not _EARLIEST <= moment < _LATEST:
        raise UnreadableTimeError(f"before {EARLIEST_YEAR} or after {LATEST_YEAR}")
    return moment


def event_time(value: object) -> int:
    """Return the time of an event in Mixpanel's form, see `unix_time`.

    Raises:
        UnreadableTimeError: The value is not a time, or is before 1990 or after 2100.
    """
    if type(value) is int and EARLIEST_SECONDS <= value < LATEST_SECONDS:
        return value  # the most frequent case, which needs no conversion
    return unix_time(read_plausible_time(value))


def unix_time(moment: datetime) -> int:
    """Return UNIX seconds, or milliseconds if there is a fraction of a second.

    Source: Mixpanel's reference of `/import`, which accepts both units.
    """
    microseconds = (moment - EPOCH) // _MICROSECOND
    seconds, rest = divmod(microseconds, 10**6)
    if rest < _MICROSECONDS_PER_MILLISECOND:
        return seconds
    return microseconds // _MICROSECONDS_PER_MILLISECOND


def _from_number(number: int | Decimal) -> datetime:
    try:
        for earliest, latest, per_second in _BOUNDS:
            if earliest <= number < latest:
                # Integer arithmetic: a float cannot hold a number of nanoseconds exactly.
                microseconds = int(number * 10**6 // per_second)
                return EPOCH + microseconds * _MICROSECOND
    except InvalidOperation:  # NaN cannot be compared
        pass
    raise UnreadableTimeError(f"no UNIX time between {EARLIEST_YEAR} and {LATEST_YEAR}")


def _from_iso(text: str) -> datetime:
    match = _match_extended(text) or _match_basic(text)
    if match is None:
        raise UnreadableTimeError("no number and no ISO 8601 date or time")
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = (
        match.groups()
    )
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(fraction[:6].ljust(6, "0")) if fraction else 0,
            tzinfo=_zone(sign, zone_hours, zone_minutes),
        )
        moment.astimezone(timezone.utc)  # raises if the time in UTC is not in the years 1 to 9999
    except (ValueError, OverflowError) as error:  # such as 30 February, or 25 hours
        raise UnreadableTimeError("no date of the calendar or no time of day") from error
    return moment


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    if hours is None:
        return timezone.utc
    if int(minutes or 0) >= _MINUTES_PER_HOUR:
        raise ValueError(minutes)
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)
