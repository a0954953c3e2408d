"""Draws counts over time as a stacked bar chart in SVG, without scripts or network access."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from braze_mixpanel.report.spans import DAY, HOUR, MONDAY, WEEK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS: Final = (
    "#4a7fd6",
    "#ee9242",
    "#47a877",
    "#d65f5f",
    "#8f6cc8",
    "#35a7b5",
    "#dd7fb2",
    "#a98258",
    "#b7ab3c",
)
"""One for each name in the chart; they are easy to distinguish on white and on black."""
OTHERS_COLOUR: Final = "#98a1ab"
_EARLIEST: Final = -62_000_000_000
_LATEST: Final = 253_000_000_000
"""About the years 6 and 9987: Python and the chart know no dates far beyond."""
_WIDTHS: Final = (HOUR, 3 * HOUR, 6 * HOUR, DAY, WEEK, 4 * WEEK)
_MOST_BARS: Final = 100
_FEWEST_PLACES: Final = 12
"""Of the time axis: one bar alone would fill the whole chart."""
_FAR_APART: Final = 0.005
"""The share of events at either end that may be left out to shorten the chart."""
_SIZE: Final = (1040, 280)
_NARROW_SIZE: Final = (330, 220)
_TICKS: Final = 9
_NARROW_TICKS: Final = 4
"""On a phone, where the wide chart would be too small to read."""
_TIME_FORMAT: Final = {
    "minutes": "%H:%M",
    "hours": "%H:%M",
    "date": "%d %b",
    "day": "%a %d",
    "week": "%d %b",
    "month": "%b",
    "year": "%Y",
}
_BARE_AXIS: Final = {"title": None, "domain": False, "ticks": False}
_COUNT_AXIS: Final = {
    "field": "count",
    "type": "quantitative",
    "stack": "zero",
    "axis": {
        **_BARE_AXIS,
        "tickCount": 5,
        "labelExpr": "datum.value % 1 ? '' : format(datum.value, '~s')",
    },
}
_STYLE: Final = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 12,
        "labelPadding": 8,
        "gridColor": "var(--line)",
    },
}
_SVG: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Series:
    """One colour of the chart: one name, or all other names together."""

    name: str
    colour: str
    total: int


@dataclass(frozen=True)
class Bars:
    """The bars of the chart.

    Attributes:
        width: Seconds that each bar covers.
        series: From the largest to the smallest, all other names last.
        counts: Index in `series` and start of the bar in UNIX seconds → count.
        before: How many events before the first bar are not drawn.
        after: How many events after the last bar are not drawn.
    """

    width: int
    series: Sequence[Series]
    counts: Mapping[tuple[int, int], int]
    before: int
    after: int


def arrange(counts: Mapping[tuple[str, int], int], width: int) -> Bars | None:
    """Group counts so that the chart stays readable with any number of names and years.

    Args:
        counts: Name and start of a span in UNIX seconds → count.
        width: Seconds of each span.

    Returns:
        The bars; None if there is nothing to draw.
    """
    by_time: Counter[int] = Counter()
    by_name: Counter[str] = Counter()
    for (name, start), count in counts.items():
        by_time[start] += count
        by_name[name] += count
    drawable = Counter({at: n for at, n in by_time.items() if _EARLIEST <= at <= _LATEST})
    if not drawable.total():
        return None
    first, last = _bulk(drawable)
    span = last - first + width
    bar = next((w for w in _WIDTHS if w >= width and span <= w * _MOST_BARS), _WIDTHS[-1])
    series = _series(by_name)
    places = {one.name: place for place, one in enumerate(series[: len(COLOURS)])}
    drawn: Counter[tuple[int, int]] = Counter()
    for (name, start), count in counts.items():
        if first <= start <= last:
            begin = (start - MONDAY) // bar * bar + MONDAY
            drawn[places.get(name, len(COLOURS)), begin] += count
    return Bars(
        width=bar,
        series=series,
        counts=drawn,
        before=sum(count for start, count in by_time.items() if start < first),
        after=sum(count for start, count in by_time.items() if start > last),
    )


def _bulk(by_time: Counter[int]) -> tuple[int, int]:
    """Find the first and last time of nearly all events.

    Phones that were offline, or have a wrong clock, send a few events with times far away.
    """
    times = sorted(by_time)
    few = by_time.total() * _FAR_APART
    first, last = _reach(times, by_time, few), _reach(times[::-1], by_time, few)
    shortest = max(last - first, _MOST_BARS * HOUR)
    return (
        first if last - times[0] > 2 * shortest else times[0],
        last if times[-1] - first > 2 * shortest else times[-1],
    )


def _reach(times: list[int], by_time: Counter[int], few: float) -> int:
    """Return the first of the times at which more than `few` events have passed."""
    passed = 0
    for time in times:
        passed += by_time[time]
        if passed > few:
            return time
    return times[-1]


def _series(by_name: Counter[str]) -> list[Series]:
    ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[: len(COLOURS)], ordered[len(COLOURS) :]
    series = [
        Series(name, colour, count)
        for (name, count), colour in zip(shown, COLOURS, strict=False)
        if count > 0
    ]
    if rest:
        total = sum(count for _, count in rest)
        series.append(Series(f"{len(rest)} others", OTHERS_COLOUR, total))
    return series


def draw(bars: Bars, *, is_narrow: bool = False) -> str:
    """Draw the bars.

    Args:
        bars: The bars.
        is_narrow: Whether to draw them for a phone. A page has both drawings and shows one; this
            one is hidden from readers of screens, which have the other.

    Returns:
        An SVG element. Its texts and lines use the page's custom properties `--muted` and `--line`
        as colours; the `title` of each bar names its span and its count.
    """
    import vl_convert  # noqa: PLC0415 - an optional extra, and half a second

    svg: str = vl_convert.vegalite_to_svg(_specification(bars, is_narrow=is_narrow))
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - our own, with all texts escaped
    for element in root.iter():
        label = element.attrib.pop("aria-label", None)
        if is_narrow:
            element.attrib.pop("aria-roledescription", None)
        elif label and element.get("aria-roledescription") == "bar":
            ET.SubElement(element, f"{{{_SVG}}}title").text = label
    if is_narrow:
        root.set("aria-hidden", "true")
        return ET.tostring(root, encoding="unicode")
    root.set("role", "img")
    root.set("aria-label", "Events over time, by type")
    return ET.tostring(root, encoding="unicode")


def _specification(bars: Bars, *, is_narrow: bool) -> dict[str, Any]:
    """Return the chart in Vega-Lite."""
    width, height = _NARROW_SIZE if is_narrow else _SIZE
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        "background": None,
        "data": {"values": _rows(bars)},
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": _time_axis(bars, _NARROW_TICKS if is_narrow else _TICKS),
            "x2": {"field": "end"},
            "y": _COUNT_AXIS,
            "color": _colours(bars),
            "order": {"field": "place"},
            "description": {"field": "label"},
        },
        "config": _STYLE,
    }


def _rows(bars: Bars) -> list[dict[str, Any]]:
    """Return the data of each bar; Vega-Lite counts time in milliseconds."""
    return [
        {
            "begin": begin * 1000,
            "end": (begin + bars.width) * 1000,
            "place": place,
            "count": count,
            "label": f"{bars.series[place].name}\n{span(begin, bars.width)}\n{count:,} events",
        }
        for (place, begin), count in sorted(bars.counts.items())
    ]


def _time_axis(bars: Bars, ticks: int) -> dict[str, Any]:
    begins = [begin for _, begin in bars.counts]
    end = max(begins) + bars.width
    time_range = [min(*begins, end - _FEWEST_PLACES * bars.width) * 1000, end * 1000]
    return {
        "field": "begin",
        "bin": "binned",
        "type": "temporal",
        "scale": {"type": "utc", "domain": time_range, "nice": False},
        "axis": {
            **_BARE_AXIS,
            "grid": False,
            "labelOverlap": True,
            "tickCount": ticks,
            "format": _TIME_FORMAT,
        },
    }


def _colours(bars: Bars) -> dict[str, Any]:
    return {
        "field": "place",
        "type": "ordinal",
        "scale": {
            "domain": list(range(len(bars.series))),
            "range": [one.colour for one in bars.series],
        },
        "legend": None,
    }


def span(begin: int, width: int) -> str:
    """Format a span of time, in UTC."""
    first = datetime.fromtimestamp(begin, timezone.utc)
    if width < DAY:
        end = datetime.fromtimestamp(begin + width, timezone.utc)
        return f"{first:%d %b %Y, %H:%M}-{end:%H:%M} UTC"
    if width == DAY:
        return f"{first:%d %b %Y} UTC"
    last = datetime.fromtimestamp(begin + width - 1, timezone.utc)
    return f"{first:%d %b %Y} to {last:%d %b %Y} UTC"


def period(bars: Bars) -> str:
    """Name the days of the first and last bar: the axis of a short time shows hours alone."""
    begins = [begin for _, begin in bars.counts]
    ends = (min(begins), max(begins) + bars.width - 1)
    first, last = (f"{datetime.fromtimestamp(end, timezone.utc):%d %b %Y}" for end in ends)
    return first if first == last else f"{first} to {last}"


def width_name(width: int) -> str:
    """Name the width of a bar, as in "an hour a bar"."""
    names = {HOUR: "an hour", DAY: "a day", WEEK: "a week", 4 * WEEK: "four weeks"}
    return names.get(width) or f"{width // HOUR} hours"
