"""What the plugins share."""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from braze_mixpanel.backoff import SharedPause, retry_after_seconds, retry_waits
from braze_mixpanel.dead_letter import DeadLetter
from braze_mixpanel.errors import InputError
from braze_mixpanel.redaction import RedactingFormatter, redact, secret_values
from braze_mixpanel.singer_lines import line_blocks
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
    blocks = line_blocks(io.BytesIO(b'{}\n{"a'))
    assert next(blocks) == [b"{}"]
    with pytest.raises(InputError, match="middle of a line"):
        next(blocks)


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
