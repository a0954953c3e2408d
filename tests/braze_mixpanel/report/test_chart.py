"""How events are grouped so that a chart stays readable."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.report import chart
from braze_mixpanel.report.spans import DAY, HOUR, MONDAY, WEEK
from target_mixpanel.run.timeline import WIDTHS, Timeline

START = 20_000 * DAY


def test_a_hundred_names_become_nine_and_the_rest() -> None:
    counts = {(f"Event {n}", START): n + 1 for n in range(100)}
    bars = chart.arrange(counts, HOUR)
    assert bars is not None
    assert [one.name for one in bars.series] == [
        *(f"Event {n}" for n in range(99, 90, -1)),
        "91 others",
    ]
    assert sum(bars.counts.values()) == sum(counts.values())


def test_bars_are_hours_for_a_few_days_and_days_for_a_few_weeks() -> None:
    for days, width in ((3, HOUR), (30, DAY), (400, WEEK), (3000, 4 * WEEK)):
        counts = {("Open", START + day * DAY): 10 for day in range(days)}
        bars = chart.arrange(counts, HOUR)
        assert bars is not None
        assert bars.width == width


def test_a_few_events_years_away_do_not_squeeze_the_rest() -> None:
    counts = {("Open", START + hour * HOUR): 100 for hour in range(50)}
    counts |= {("Open", START - 2000 * DAY): 2, ("Open", START + 900 * DAY): 1}
    bars = chart.arrange(counts, HOUR)
    assert bars is not None
    assert (bars.width, bars.before, bars.after) == (HOUR, 2, 1)
    assert sum(bars.counts.values()) == 5000


def test_a_single_hour_does_not_fill_the_chart_and_its_day_is_named() -> None:
    bars = chart.arrange({("Open", START): 7}, HOUR)
    assert bars is not None
    (bar,) = ET.fromstring(chart.draw(bars)).findall(".//*[@aria-roledescription='bar']")
    width = float(re.fullmatch(r"M[\d.]+,[\d.]+h([\d.]+)v.*", bar.attrib["d"])[1])
    assert width < 1040 / 10
    assert chart.period(bars) == "04 Oct 2024"


def test_a_longer_time_is_named_by_its_first_and_last_day() -> None:
    bars = chart.arrange({("Open", START): 1, ("Open", START + 3 * DAY): 1}, HOUR)
    assert bars is not None
    assert chart.period(bars) == "04 Oct 2024 to 07 Oct 2024"


def test_a_count_of_one_has_no_fractions_beside_it() -> None:
    bars = chart.arrange({("Open", START): 1}, HOUR)
    assert bars is not None
    texts = {
        text.text
        for text in ET.fromstring(chart.draw(bars)).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"0", "1"} <= texts
    assert not any("." in (text or "") or "m" in (text or "") for text in texts)


def test_nothing_imported_is_nothing_to_draw() -> None:
    assert chart.arrange({}, HOUR) is None


def test_a_bar_says_what_it_stands_for() -> None:
    assert chart.span(START, HOUR) == "04 Oct 2024, 00:00-01:00 UTC"
    assert chart.span(START, DAY) == "04 Oct 2024 UTC"
    assert chart.span(START, WEEK) == "04 Oct 2024 to 10 Oct 2024 UTC"
    assert [chart.width_name(HOUR), chart.width_name(6 * HOUR)] == ["an hour", "6 hours"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**10)), max_size=60))
def test_a_timeline_counts_every_event_however_wide_its_cells_become(
    events: list[tuple[str, int]],
) -> None:
    timeline = Timeline(most_cells=5)
    for name, time in events:
        timeline.add([name], [time])
    assert timeline.width in WIDTHS
    by_name: Counter[str] = Counter()
    for (name, start), count in timeline.counts().items():
        assert (start - MONDAY) % timeline.width == 0
        by_name[name] += count
    assert by_name == Counter(name for name, _ in events)
    for name, time in events:
        timeline.take_back(name, time)
    assert timeline.counts() == {}
