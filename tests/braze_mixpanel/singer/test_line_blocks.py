"""Input as blocks of whole lines."""

from __future__ import annotations

import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.errors import InputError
from braze_mixpanel.singer.line_blocks import line_blocks


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


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff", "\ufeff\r\n", "\ufeff\n\n"], ids=ascii)
def test_byte_order_marks_before_the_first_line_are_passed_over(mark: str) -> None:
    source = f"{mark}{{}}\n[]".encode()
    assert [line for lines in line_blocks(io.BytesIO(source)) for line in lines] == [b"{}", b"[]"]
    assert [*line_blocks(io.BytesIO(mark.strip().encode()))] == []


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
