"""The note in STATE from which the report of a target says what was read."""

from __future__ import annotations

import pytest

from braze_mixpanel.singer.bucket_read import BUCKET_READ, MOST_NAMED, find_note
from tap_braze_currents.bucket.open_store import open_store
from tests.currents_generator import generate
from tests.tap_braze_currents.conftest import catalog_of

OPEN = "users.messages.email.Open"
OTHERS = ["users.behaviors.CustomEvent", "users.behaviors.Purchase"]
SELECTED = catalog_of("users_messages_email_open")


def notes_of(output):
    return [find_note(message) for message in output.of("STATE")]


@pytest.mark.parametrize("layout", ["partitioned", "flat"])
def test_each_state_says_what_was_read_and_which_types_are_left_out(tmp_path, run_tap, layout):
    bucket = generate(tmp_path, events=600, types=[OPEN, *OTHERS], hours=3, layout=layout)

    output = run_tap(tmp_path, catalog=SELECTED)

    files = [file for file in bucket.files if file.event_type == OPEN]
    note = notes_of(output)[-1]
    assert (note.source, note.files) == (str(tmp_path), len(files))
    assert (note.others, note.others_count) == (OTHERS, 2)
    hours = sorted(
        part.partition("=")[2]
        for file in files
        for part in file.path.parts
        if part.startswith("date=")
    )
    read = (note.first_hour, note.last_hour)
    assert read == ((hours[0], hours[-1]) if layout == "partitioned" else ("", ""))
    assert BUCKET_READ not in output.state


@pytest.mark.parametrize("layout", ["partitioned", "flat"])
def test_a_run_with_nothing_new_says_so_and_names_the_types_as_before(tmp_path, run_tap, layout):
    generate(tmp_path, events=60, types=[OPEN, *OTHERS], layout=layout)
    first = run_tap(tmp_path, catalog=SELECTED)

    second = run_tap(tmp_path, catalog=SELECTED, state=first.state)

    (note,) = notes_of(second)
    assert (note.files, note.first_hour, note.last_hour) == (0, "", "")
    assert note.others == OTHERS
    assert second.state == first.state


def test_a_later_run_names_the_hours_that_it_read_itself(tmp_path, run_tap):
    generate(tmp_path, events=60, types=[OPEN], hours=3)
    first = run_tap(tmp_path, catalog=SELECTED)
    place = next(tmp_path.rglob("date=*"))
    late = place.with_name("date=2026-11-01-09")
    place.rename(late)

    second = run_tap(tmp_path, catalog=SELECTED, state=first.state)

    note = notes_of(second)[-1]
    assert (note.first_hour, note.last_hour) == ("2026-11-01-09", "2026-11-01-09")


def test_a_bucket_with_very_many_types_makes_no_long_note(tmp_path, run_tap):
    generate(tmp_path, events=10, types=[OPEN])
    (integration,) = tmp_path.iterdir()
    for number in range(MOST_NAMED + 50):
        (integration / f"event_type=users.made.up.N{number}").mkdir()

    note = notes_of(run_tap(tmp_path, catalog=SELECTED))[-1]

    assert (len(note.others), note.others_count) == (MOST_NAMED, MOST_NAMED + 50)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://company/currents/", "s3://company/currents"),
        ("gs://company", "gs://company"),
        ("abfs://events@company.dfs.core.windows.net/a/b", "abfs://events/a/b"),
        ("file:///srv/currents", "/srv/currents"),
    ],
)
def test_a_bucket_is_named_as_people_write_it(url, address):
    options = {"region": "eu-central-1", "anon": True} if url.startswith("s3") else {"anon": True}
    if url.startswith("abfs"):
        options = {"account_key": "a2V5"}
    if url.startswith("file"):
        options = {}
    assert open_store(url, options).address == address


@pytest.mark.parametrize(
    "note",
    [
        None,
        [],
        {},
        {"source": 7, "files": 1},
        {"source": "x", "files": -1},
        {"source": "x", "files": 1, "first_hour": "yesterday"},
        {"source": "x", "files": 1, "others": "users"},
    ],
)
def test_a_note_of_another_form_is_none(note):
    assert find_note({"type": "STATE", "value": {}, BUCKET_READ: note}) is None
