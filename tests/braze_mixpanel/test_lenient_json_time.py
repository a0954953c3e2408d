"""Reading a broken line takes time in proportion to its length."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from braze_mixpanel.lenient_json import CUT_OFF, MOST_NESTED, decode_leniently

DEEP = b"[" * (MOST_NESTED + 1) + b"]" * (MOST_NESTED + 1)


@pytest.mark.parametrize("part", [b'\\"', b'"', b"\\", b'"\\', b'":', b"[\\", b"\\\n"])
def test_a_cut_line_of_a_megabyte_takes_less_than_two_seconds(part) -> None:
    line = b'{"x":' + DEEP + b',"p":"' + part * (1_000_000 // len(part))
    began = time.monotonic()
    with suppress(ValueError):
        decode_leniently(line)
    assert time.monotonic() - began < 2


def test_brackets_in_a_text_are_no_nesting() -> None:
    line = b'{"x":' + DEEP + b',"p":"[\\"[{' + b"[" * 200 + b'"}'
    read = decode_leniently(line)
    assert read["p"] == '["[{' + "[" * 200
    assert CUT_OFF.strip(b'"').decode() in str(read["x"])
