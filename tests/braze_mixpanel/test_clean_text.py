"""What comes from outside cannot change a terminal or forge a line of the log."""

from __future__ import annotations

import io
import logging
import unicodedata

import pytest

from braze_mixpanel.clean_text import MOST_SHOWN, lines, one_line
from braze_mixpanel.report.page import Page, Table, render
from braze_mixpanel.settings.redaction import RedactingFormatter
from braze_mixpanel.tables import MOST_ROWS, text_table
from tap_mixpanel_cohorts.inbox.logs import JsonLines

HOSTILE = {
    "escape sequence": "\x1b[31mred\x1b]0;title\x07",
    "line break": "a\nFAKE | INFO | all is well",
    "carriage return": "a\rFAKE",
    "line separator": "a\u2028b\u2029c\x85d",
    "C1": "\x9b31m",
    "null and delete": "a\0b\x7f",
    "bidirectional marks": "\u202egnp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c",
    "half a character": "\ud83d",
    "no character": "\ufffe\uffff",
}
_FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}


def is_clean(text: str, allowed: str = "") -> bool:
    return not any(
        (unicodedata.category(one) in _FORBIDDEN and one not in allowed)
        or one in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe"
        for one in text
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_one_clean_line(text) -> None:
    assert is_clean(one_line(text))
    assert is_clean(lines(text), "\n\t")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_log_record_is_clean_in_every_plugin_and_in_the_inbox(text) -> None:
    record = logging.makeLogRecord({"msg": "a %s b", "args": (text,), "fields": {"cohort": text}})
    assert is_clean(RedactingFormatter(None, ()).format(record), "\n\t")
    # JSON has no half characters, and the inbox's reader of bodies lets none through.
    record.msg = record.args = ()
    record.fields = {"cohort": text.replace("\ud83d", "?")}
    assert is_clean(JsonLines().format(record))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_cell_of_a_table_is_clean(text) -> None:
    table = text_table(("name", "count"), [(text, 1), ("b", 2)])
    assert is_clean(table, "\n")
    assert len(table.splitlines()) == 3


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_report_can_be_written_and_is_clean(text) -> None:
    table = Table(text, (text, "count"), [(text, 1)])
    html = render(Page(text, [text], text, text, [], [table], notes=[text]))
    assert is_clean(html, "\n\t")
    assert "<script>alert" not in render(Page("<script>alert(1)</script>", [], "", "", [], []))


def test_a_long_name_and_many_rows_are_cut() -> None:
    table = text_table(("name", "count"), [("x" * 10_000, n) for n in range(10_000)])
    assert len(table) < (MOST_SHOWN + 20) * (MOST_ROWS + 3)
    assert table.splitlines()[-2] == f"… and {10_000 - MOST_ROWS} more"
    assert table.splitlines()[-1].endswith("9999")
    assert len(one_line("x" * 10_000)) == MOST_SHOWN


def logged(message: str, *args: object) -> str:
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    handler.setFormatter(RedactingFormatter(None, ()))
    logger = logging.getLogger("lines")
    logger.addHandler(handler)
    try:
        logger.error(message, *args)
    finally:
        logger.removeHandler(handler)
    return shown.getvalue().rstrip()


@pytest.mark.parametrize("between", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("kind", [str, ValueError])
def test_a_name_or_an_error_cannot_forge_a_line_of_the_log(kind, between) -> None:
    name = kind(f"a{between}2026-11-27 | INFO | all is well")
    assert logged("Stream %s is left out.", name).count("\n") == 0


def test_a_table_keeps_its_lines_in_the_log() -> None:
    table = text_table(("a", "b"), [("d\ne", 1), ("f", 2)])
    assert logged("Read by %s:\n%s", "x\ny", table).count("\n") == 3
