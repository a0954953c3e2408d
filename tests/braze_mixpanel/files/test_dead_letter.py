"""The file of records that were not delivered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.dead_letter import DeadLetter


def test_a_dead_letter_is_made_when_the_first_record_comes(tmp_path) -> None:
    letter = DeadLetter(tmp_path / "d", "t")
    letter.flush()
    letter.close()
    assert not (tmp_path / "d").exists()
    schema = {"stream": "s", "schema": {}, "key_properties": []}
    for number in range(2):
        letter.add("s", {"n": number}, schema=schema, reason="why", status=400)
    letter.close()
    first, *records = map(json.loads, Path(letter.where).read_text().splitlines())
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
    texts = [Path(letter.where).read_text() for letter in letters]
    assert [text.count('"RECORD"') for text in texts] == [1, 1, 1]


def test_a_file_that_is_there_already_is_never_written_over(tmp_path) -> None:
    letter = DeadLetter(tmp_path, "t")
    Path(letter.where).write_text("of another run")
    with pytest.raises(SettingsError, match="File exists"):
        letter.add("s", {}, schema={}, reason="why")
    assert Path(letter.where).read_text() == "of another run"
