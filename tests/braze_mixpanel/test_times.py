"""The reader of times: every spelling of one moment gives one number, or is refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from braze_mixpanel.times import (
    EPOCH,
    UnreadableTimeError,
    event_time,
    read_plausible_time,
    read_time,
    unix_time,
)

FIRST_SECOND, LAST_SECOND = 631_152_000, 4_133_980_799
"""The first of 1990 and the last of 2100."""
WHOLE_SECONDS = st.integers(FIRST_SECOND, LAST_SECOND).map(lambda second: second * 10**6)
MICROSECONDS = WHOLE_SECONDS | st.integers(FIRST_SECOND * 10**6, LAST_SECOND * 10**6)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


def numbers(moment: datetime) -> list[object]:
    """A moment in each unit that can hold it, as a number, as a decimal and as digits."""
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    found: list[object] = []
    for per_second in (1, 10**3, 10**6, 10**9):
        value = Decimal(microseconds) * per_second / 10**6
        found += [value, f"{value:f}", f" {value:f} "]
        if value == int(value):
            found += [int(value), str(int(value))]
    return found


def zones(offset: timedelta) -> list[str]:
    minutes = abs(offset) // timedelta(minutes=1)
    sign = "-" if offset < timedelta(0) else "+"
    hours, rest = divmod(minutes, 60)
    found = [f"{sign}{hours:02}:{rest:02}", f"{sign}{hours:02}{rest:02}"]
    found += [f"{sign}{hours:02}"] if not rest else []
    found += ["", "Z", "z", "UTC", " UTC", "GMT", "-00:00"] if not minutes else []
    return [*found, f" {found[0]}"]


def texts(moment: datetime, offset: timedelta) -> list[str]:
    """A moment in every ISO 8601 spelling that is read."""
    local = (moment + offset).replace(tzinfo=None)
    times = []
    for form, between in (("%Y-%m-%d{}%H:%M:%S", "Tt "), ("%Y%m%d{}%H%M%S", "Tt")):
        fractions = [f".{local:%f}", f",{local:%f}", f".{local:%f}000"]
        fractions += [f".{local:%f}".rstrip("0")] if local.microsecond else [""]
        times += [
            local.strftime(form.format(letter)) + fraction
            for letter in between
            for fraction in fractions
        ]
        if not (local.second or local.microsecond):
            short = form[: -len(":%S")] if ":" in form else form[: -len("%S")]
            times += [local.strftime(short.format(letter)) for letter in between]
    return [time + zone for time in times for zone in zones(offset)]


@given(MICROSECONDS, ZONES)
@example(1_793_534_400_000_000, 0)
@example(1_793_491_200_000_000, -420)
def test_all_spellings_of_one_moment_give_one_number(microseconds, minutes):
    moment, offset = EPOCH + timedelta(microseconds=microseconds), timedelta(minutes=minutes)
    expected = unix_time(moment)
    spellings = [*numbers(moment), *texts(moment, offset)]
    assert {spelling: event_time(spelling) for spelling in spellings} == dict.fromkeys(
        spellings, expected
    )


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_a_date_alone_is_its_midnight_in_utc(day):
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    assert read_time(f"{day:%Y-%m-%d}") == read_time(f"{day:%Y%m%d}") == midnight


@given(st.text("0123456789-+:., TZUtz", max_size=30) | st.integers() | st.floats() | st.text())
def test_anything_is_read_as_a_plausible_time_or_refused(value):
    try:
        number = event_time(value)
    except UnreadableTimeError:
        return
    seconds = number / 1000 if number >= 10**11 else number
    assert 1990 <= datetime.fromtimestamp(seconds, timezone.utc).year <= 2100


@given(
    st.from_regex(
        r"\A(19|20)[0-9]{2}(0[1-9]|1[0-2])([01][0-9]|2[0-8])([01][0-9])([0-5][0-9]){1,2}Z?\Z"
    )
)
@example("20230808120000Z")
def test_digits_without_a_t_are_never_taken_for_a_date_and_a_time(text):
    with pytest.raises(UnreadableTimeError):
        read_time(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "yesterday",
        "12:30",
        "2026",
        "2026-11",
        "2026-W45-1",
        "2026-305",
        "2026-02-30",
        "2026-11-01T",
        "2026-11-01T25:00",
        "2026-11-01T12:60",
        "2026-11-01T12:00:00+24:00",
        "2026-11-01T12:00:00+05:75",
        "2026-11-01T12:00:00+05:30:10",
        "2026-11-01X12:00:00",
        "2026-11-01Z",
        "20261101 120000",
        "2026-11-01T120000",
        "1e9",
        "1_790_000_000",
        "\u0662\u0660\u0662\u0666-11-01",
        "0001-01-01T00:00:00+05:00",
        "1" * 10_000,
        20261101,
        7,
        -1,
        0,
        10**30,
        1e300,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        None,
        True,
        [1_790_000_000],
        {"time": 1},
        b"2026-11-01",
    ],
)
def test_what_is_no_time_or_could_be_two_is_refused(value):
    with pytest.raises(UnreadableTimeError):
        read_time(value)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1989-12-31T23:59:59Z", "2101-01-01"])
def test_a_date_before_1990_or_after_2100_is_a_setting_but_no_event(text):
    assert read_time(text).tzinfo is timezone.utc
    with pytest.raises(UnreadableTimeError, match="before 1990 or after 2100"):
        read_plausible_time(text)


def test_the_zone_of_a_text_is_kept():
    assert read_time("2024-03-19T23:49:51+05:30").isoformat() == "2024-03-19T23:49:51+05:30"


def test_what_is_smaller_than_a_microsecond_is_cut_off():
    assert read_time("2026-09-21T14:13:20.123456789Z") == read_time(1_790_000_000_123_456_789)


def test_an_error_holds_nothing_of_the_value():
    with pytest.raises(UnreadableTimeError) as caught:
        read_time("jane@example.com")
    assert "jane" not in str(caught.value)
