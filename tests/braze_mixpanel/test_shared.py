"""What the plugins share."""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import re
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from braze_mixpanel.errors import InputError, SettingsError
from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.files.private_files import name_file
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.response_headers import http_date, retry_after_seconds
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.http.safe_url import is_safe_url
from braze_mixpanel.http.send_loop import SharedPause
from braze_mixpanel.settings.redaction import RedactingFormatter, redact, secret_values
from braze_mixpanel.singer.lenient_json import MOST_NESTED, decode_leniently
from braze_mixpanel.singer.line_blocks import line_blocks
from braze_mixpanel.tables import text_table


def test_waits_double_from_two_seconds_to_sixty_with_one_to_five_more() -> None:
    least = list(itertools.islice(retry_waits(lambda low, _: low), 8))
    most = list(itertools.islice(retry_waits(lambda _, high: high), 8))
    assert least == [3, 5, 9, 17, 33, 61, 61, 61]
    assert most == [7, 9, 13, 21, 37, 65, 65, 65]


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds("12") == 12
    assert 80 < retry_after_seconds(soon) <= 90
    assert (
        retry_after_seconds(None) == retry_after_seconds("soon") == retry_after_seconds("-3") == 0
    )


@pytest.mark.parametrize("header", ["inf", "-inf", "nan", "Mon, 99 Nov 2026", "Thu", "", "1e999"])
def test_a_retry_after_that_makes_no_sense_is_none(header) -> None:
    assert retry_after_seconds(header) == 0


@pytest.mark.parametrize("zone", ["-0000", "", "GMT", "+0000"])
def test_an_http_date_without_a_zone_is_utc(zone) -> None:
    assert http_date(f"Sun, 06 Nov 1994 08:49:37 {zone}") == 784_111_777


def test_nobody_waits_for_longer_than_an_hour() -> None:
    assert retry_after_seconds("99999999") == 3600
    assert retry_after_seconds("Fri, 31 Dec 9999 23:59:59 -0000") == 3600


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a":"\xff"}', b"[" * 5000, b"<html>"])
def test_a_body_without_a_json_object_is_an_empty_one(content) -> None:
    assert json_object(content) == {}


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://api.mixpanel.com", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://api.mixpanel.com", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("https://[::1", False),
        ("api.mixpanel.com", False),
    ],
)
def test_personal_data_go_by_https_or_stay_on_the_machine(url, safe) -> None:
    assert is_safe_url(url) == safe


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1e400, "b": NaN, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": 1' + b"0" * 5000 + b"}", {"a": None}),
        (
            b'{"a": "\\ud83d", "b": "\xff"}',
            {"a": "\N{REPLACEMENT CHARACTER}", "b": "\N{REPLACEMENT CHARACTER}"},
        ),
        (b'{"a": 18446744073709551616}', {"a": 2**64}),
    ],
    ids=lambda text: str(text)[:40],
)
def test_json_that_is_not_quite_json_is_read_as_far_as_it_goes(text, value) -> None:
    assert decode_leniently(text) == value


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_what_is_nested_beyond_all_measure_is_cut_off_and_the_rest_kept(brackets) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ('{"k":', "}")
    deep = opening * 5000 + "1" + closing * 5000
    value = decode_leniently(f'{{"a":{deep},"b":"{{[[\\"","c":{deep}}}'.encode())
    assert value["b"] == '{[["'
    levels, inner = 0, value["c"]
    while not isinstance(inner, str):
        inner = inner[0] if brackets == "[]" else inner["k"]
        levels += 1
    assert inner == "(nested too deep)"
    assert levels == MOST_NESTED - 1
    with pytest.raises(ValueError, match="delimiter"):
        decode_leniently(b'{"a":' + b"[" * 5000)


def test_a_pause_is_for_all_and_the_longest_counts() -> None:
    now = 100.0
    pause = SharedPause(lambda: now)
    pause.extend(10)
    pause.extend(4)
    assert pause.remaining() == 10
    now = 111.0
    assert pause.remaining() == 0


@given(st.lists(st.text(alphabet="ab\\é", max_size=5)), st.integers(1, 9))
def test_lines_come_whole_however_the_input_is_cut(lines: list[str], block: int) -> None:
    source = "".join(line + "\n" for line in lines).encode()

    class Blocks(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return self.read(block)

    got = [line for lines in line_blocks(Blocks(source)) for line in lines]
    assert got == [line.encode() for line in lines if line]


def test_text_input_is_read_too() -> None:
    assert list(line_blocks(io.StringIO('{"ä": 1}\n{}\n'))) == [['{"ä": 1}'.encode(), b"{}"]]


def test_a_whole_last_line_needs_no_newline_and_half_a_line_is_an_error() -> None:
    assert list(line_blocks(io.BytesIO(b"{}\n{}"))) == [[b"{}"], [b"{}"]]
    assert list(line_blocks(io.BytesIO(b'{}\n{"a":"\xff"}'))) == [[b"{}"], [b'{"a":"\xff"}']]
    for half in (b'{"a', b'{"a":"\xff'):
        blocks = line_blocks(io.BytesIO(b"{}\n" + half))
        assert next(blocks) == [b"{}"]
        with pytest.raises(InputError, match="middle of a line"):
            next(blocks)


def test_blank_lines_are_left_out_those_of_crlf_files_too() -> None:
    assert list(line_blocks(io.BytesIO(b"{}\r\n\r\n\n{}\r\n\r\n"))) == [[b"{}\r", b"{}\r"]]


def test_while_a_pipe_gives_nothing_there_is_time_for_other_things() -> None:
    reading, writing = os.pipe()
    waited = threading.Event()
    got = []

    def read() -> None:
        with os.fdopen(reading, "rb") as source:
            got.extend(line_blocks(source, while_waiting=waited.set))

    reader = threading.Thread(target=read)
    reader.start()
    assert waited.wait(10)
    os.write(writing, b"{}\n")
    os.close(writing)
    reader.join()
    assert got == [[b"{}"]]


def test_a_dead_letter_is_made_when_the_first_record_comes(tmp_path) -> None:
    letter = DeadLetter(tmp_path / "d", "t")
    letter.flush()
    letter.close()
    assert not (tmp_path / "d").exists()
    schema = {"stream": "s", "schema": {}, "key_properties": []}
    for number in range(2):
        letter.add("s", {"n": number}, schema=schema, reason="why", status=400)
    letter.close()
    first, *records = map(json.loads, letter.path.read_text().splitlines())
    assert first == {**schema, "type": "SCHEMA"}
    assert records[1] == {
        "type": "RECORD",
        "stream": "s",
        "record": {"n": 1},
        "reason": "why",
        "status": 400,
    }


def test_runs_that_begin_in_the_same_second_have_files_of_their_own(tmp_path) -> None:
    """Also in containers, where every process has the same id."""
    letters = [DeadLetter(tmp_path, "t") for _ in range(3)]
    schema = {"stream": "s", "schema": {}, "key_properties": []}
    for number, letter in enumerate(letters):
        letter.add("s", {"n": number}, schema=schema, reason="why")
        letter.close()
    texts = [letter.path.read_text() for letter in letters]
    assert [text.count('"RECORD"') for text in texts] == [1, 1, 1]


def test_names_of_files_sort_by_the_time_of_their_run(tmp_path) -> None:
    name = name_file(tmp_path, "target-mixpanel").name
    assert re.fullmatch(r"target-mixpanel-\d{8}T\d{6}Z-[0-9a-f]{8}\.jsonl", name)


def test_a_file_that_is_there_already_is_never_written_over(tmp_path) -> None:
    letter = DeadLetter(tmp_path, "t")
    letter.path.write_text("of another run")
    with pytest.raises(SettingsError, match="File exists"):
        letter.add("s", {}, schema={}, reason="why")
    assert letter.path.read_text() == "of another run"


@pytest.mark.parametrize("formatter", [None, StructuredFormatter()])
def test_secrets_are_masked_however_deep_and_whoever_logs_them(formatter) -> None:
    schema = {"properties": {"options": {"secret": True}, "name": {}}}
    secret = 'hunter2-"secret"'
    secrets = secret_values({"options": {"a": [secret]}, "name": "visible"}, schema)
    assert secrets == {secret}
    assert redact(f"x {secret} y", secrets) == "x (secret) y"
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    handler.setFormatter(RedactingFormatter(formatter, secrets))
    logger = logging.getLogger("somebody else")
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(secret)  # noqa: TRY301
        except ValueError:
            logger.exception("failed with %s", secret)
    finally:
        logger.removeHandler(handler)
    assert "hunter2" not in shown.getvalue()
    assert "failed with (secret)" in shown.getvalue()
    assert "ValueError" in shown.getvalue()


def test_tables_are_aligned_and_never_cut() -> None:
    table = text_table(("event", "read"), [("x" * 300, 1), ("y", 1234567)])
    first, second, third = table.splitlines()
    assert second == "x" * 300 + "        1"
    assert third.endswith("1234567")
    assert first.startswith("event ")
