"""Convert Avro values to plain JSON values. Pure: no I/O.

Logical types are converted here and not by the Avro library: the library fails on dates after the
year 9999, and does not report which type of a union a value has.
Source: the Avro 1.12 specification, "Logical Types".
"""

from __future__ import annotations

import base64
import struct
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final
from uuid import UUID

from tap_braze_currents.formats.limits import DECIMAL_BYTES

PER_SECOND: Final = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}
"""The unit in a logical type's name → the number of units in a second."""

_SECONDS_A_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1)
_INTEGERS = range(-(2**63), 2**64)
"""The integers that JSON libraries read exactly."""


def bytes_text(value: bytes) -> str:
    """Return bytes as text if they are valid UTF-8, or else in base64."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def decimal(value: bytes, scale: int) -> Decimal:
    """Read a decimal.

    Args:
        value: A big-endian integer in two's complement.
        scale: The number of digits after the point.

    Raises:
        ValueError: The value is longer than `DECIMAL_BYTES`.
    """
    if len(value) > DECIMAL_BYTES:
        raise ValueError(f"a decimal of {len(value)} bytes")
    unscaled = int.from_bytes(value, "big", signed=True)
    # Built from digits: arithmetic would round to the precision of the decimal context.
    digits = tuple(map(int, str(abs(unscaled))))
    return Decimal((int(unscaled < 0), digits, -scale))


def decimal_number(value: Decimal) -> int | float | str:
    """Return a decimal as a JSON number, or as text if a number would lose digits.

    Mixpanel and most warehouses read JSON numbers as 64-bit floats: 12.50 is 12.5, and a decimal
    of more than 15 to 17 digits is the text of its digits.
    """
    if value.as_tuple().exponent == 0:
        return decimal_integer(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else decimal_text(value)


def decimal_integer(value: Decimal) -> int | float | str:
    """Return a decimal as a JSON integer if it is whole, else as `decimal_number` does."""
    whole = int(value)
    if whole != value:
        return decimal_number(value)
    return whole if whole in _INTEGERS else decimal_text(value)


def decimal_text(value: Decimal) -> str:
    """Return all digits of a decimal, without an exponent."""
    return format(value, "f")


def date_text(days: int) -> str | int:
    """Return days since 1970 as an ISO date. Outside the years 1 to 9999, return the number."""
    try:
        return (_EPOCH_DAY + timedelta(days)).isoformat()
    except OverflowError:
        return days


def date_seconds(days: int) -> int:
    """Return the UNIX time at which a day begins. The day is given in days since 1970."""
    return days * _SECONDS_A_DAY


def time_text(value: int, per_second: int) -> str | int:
    """Return a time of day such as `12:26:40.5`. Beyond 24 hours, return the number."""
    if not 0 <= value < _SECONDS_A_DAY * per_second:
        return value
    seconds, rest = divmod(value, per_second)
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%H:%M:%S") + _fraction(rest, per_second)


def timestamp_text(value: int, per_second: int, zone: str) -> str | int:
    """Return a timestamp in ISO 8601, without trailing zeros in the fraction of the second.

    Args:
        value: Units since 1970.
        per_second: Units in a second.
        zone: The suffix: `Z`, or empty for a local time.

    Returns:
        The text. Outside the years 1 to 9999, the value itself.
    """
    seconds, rest = divmod(value, per_second)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return value
    return moment.replace(tzinfo=None).isoformat() + _fraction(rest, per_second) + zone


def unix_time(value: int, per_second: int, units: int) -> int | float:
    """Return a timestamp as UNIX time, as an integer if it is whole.

    Args:
        value: Units since 1970.
        per_second: Units in a second.
        units: The units of the result in a second: 1 or 1000.
    """
    whole, rest = divmod(value * units, per_second)
    return whole if not rest else value * units / per_second


def duration_text(value: bytes) -> str:
    """Return a duration (months, days, milliseconds) in ISO 8601, such as `P1M2DT3.004S`."""
    months, days, millis = struct.unpack("<III", value)
    seconds, rest = divmod(millis, 1000)
    date_part = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    time_part = f"T{seconds}{_fraction(rest, 1000)}S" if millis or not date_part else ""
    return f"P{date_part}{time_part}"


def uuid_text(value: bytes) -> str:
    """Return the 16 bytes of a UUID as text with hyphens."""
    return str(UUID(bytes=value))


def shortest_float(value: float) -> float:
    """Return a 32-bit float without the digits that only 64 bits show: 3.14, not 3.1400001049."""
    for digits in range(6, 9):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.pack("f", shorter) == struct.pack("f", value):
                return shorter
        except OverflowError:  # rounded beyond the largest 32-bit number
            continue
    return float(f"{value:.9g}")


def _fraction(rest: int, per_second: int) -> str:
    if not rest:
        return ""
    return f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0")
