"""The part of the page that says what was read, and which event types came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.report.page import Link, Listing
from braze_mixpanel.singer.bucket_read import BUCKET_READ, BucketRead, note_of
from target_mixpanel.run.report_input import Input, event_types, what_was_read
from tests.braze_mixpanel.report.pages import Reader
from tests.target_mixpanel.harness import line, open_record, opens, record, run, schema

if TYPE_CHECKING:
    from pathlib import Path

OPEN = "users_messages_email_open"
CUSTOM = "users_behaviors_customevent"
NEW = "users_messages_carrier_pigeon_send"
READ = BucketRead(
    source="s3://company/currents",
    files=1234,
    first_hour="2026-11-01-13",
    last_hour="2026-11-02-23",
    others=["users.messages.email.Retry", "users.messages.sms.Send"],
    others_count=2,
)


def schemas(*streams, **types):
    found = {stream: {"schema": {}} for stream in streams}
    for stream, event_type in types.items():
        found[stream] = {"schema": {"x-braze-event-type": event_type}}
    return found


def both(given: Input) -> list[Listing]:
    return [*what_was_read(given), *event_types(given)]


def rows_of(given: Input) -> dict[str, dict[str, str | Link]]:
    return {listing.title: dict(listing.rows) for listing in both(given)}


def test_bucket_files_and_hours_are_named():
    read = rows_of(Input(schemas(OPEN), {OPEN}, READ))["What was read"]
    assert read == {
        "Bucket": "s3://company/currents",
        "Files": "1,234",
        "Hours": "01 Nov 2026, 13:00 to 03 Nov 2026, 00:00 UTC",
    }


def test_a_folder_of_this_machine_is_a_link(tmp_path: Path):
    read = rows_of(Input(schemas(OPEN), {OPEN}, BucketRead(str(tmp_path), 1)))["What was read"]
    assert read["Bucket"] == Link(str(tmp_path), tmp_path.as_uri())
    assert "Hours" not in read


def test_a_run_with_nothing_new_says_so():
    read = rows_of(Input(schemas(OPEN), set(), BucketRead("s3://company", 0)))["What was read"]
    assert read == {"Bucket": "s3://company", "Files": "none: nothing was new"}


@pytest.mark.parametrize("hour", ["2026-13-45-99", "9999-12-31-23"])
def test_hours_that_do_not_exist_are_left_out(hour: str):
    read = BucketRead("s3://company", 1, hour, hour)
    assert "Hours" not in rows_of(Input(schemas(OPEN), {OPEN}, read))["What was read"]


def test_each_event_type_is_in_one_group_whether_or_not_braze_sends_it_to_mixpanel():
    selected = schemas(OPEN, CUSTOM, **{NEW: "users.messages.carrier_pigeon.Send"})
    types = rows_of(Input(selected, {OPEN, NEW}, READ))["Event types"]
    assert types["2 selected, with records"] == "Carrier_pigeon Send, Email Open"
    assert types["1 selected, without records"] == "[Braze Custom Event]"
    assert types["2 in the bucket and not selected"] == "Email Retry, SMS Send"
    others = types["51 of Braze's own connector, not selected and not in the bucket"]
    assert str(others).count(",") == 50
    assert "Email Open" not in others
    assert "SMS Send" not in str(others).split(", ")


def test_types_that_the_tap_did_not_name_are_counted():
    read = BucketRead("s3://company", 1, others=["users.messages.email.Retry"], others_count=70)
    types = rows_of(Input(schemas(OPEN), {OPEN}, read))["Event types"]
    assert types["70 in the bucket and not selected"] == "Email Retry and 69 more"


def test_without_the_note_nothing_is_claimed_about_the_bucket():
    lists = rows_of(Input(schemas(OPEN), {OPEN}, None))
    assert list(lists) == ["Event types"]
    assert list(lists["Event types"]) == [
        "1 selected, with records",
        "53 of Braze's own connector, not selected",
    ]


def test_the_input_of_another_tap_has_neither_part():
    assert both(Input(schemas("orders"), {"orders"}, None)) == []


# From the messages to the page


def state_with(note: dict[str, object]) -> bytes:
    return line({"type": "STATE", "value": {"bookmarks": {}}, **note})


def page_of(source: bytes, server, folder: Path, **changes: object) -> Reader:
    path = folder / "run.html"
    run(source, server, folder, report_path=str(path), **changes)
    return Reader(path.read_text())


def test_the_newest_note_is_on_the_page_and_the_saved_state_is_without_it(mixpanel, tmp_path):
    source = schema() + state_with(note_of(BucketRead("s3://company", 0))) + opens(2)
    source += state_with(note_of(READ)) + state_with({BUCKET_READ: "x"})
    result = run(source, mixpanel, tmp_path, report_path=str(tmp_path / "run.html"))
    text = " ".join(Reader((tmp_path / "run.html").read_text()).text.split())
    assert "Buckets3://company/currents Files1,234 Hours01 Nov 2026, 13:00 to" in text
    assert result.states[-1] == {"bookmarks": {}}


def test_a_type_with_a_name_of_its_own_counts_as_read(mixpanel, tmp_path):
    page = page_of(schema() + opens(2), mixpanel, tmp_path, event_names={OPEN: "Opened"})
    assert "1 selected, with records" in page.text


def test_a_type_whose_records_are_all_skipped_counts_as_read(mixpanel, tmp_path):
    source = schema() + record(open_record(1, external_user_id=None)) + schema(CUSTOM)
    page = page_of(source, mixpanel, tmp_path)
    assert "1 selected, with records" in page.text
    assert "1 selected, without records" in page.text


def test_a_secret_in_a_note_and_a_name_that_is_html_stay_harmless(mixpanel, tmp_path):
    note = BucketRead("s3://company/<script>?sig=abcdefgh", 1, others=["<u>x</u>"], others_count=1)
    page = page_of(schema() + opens(1) + state_with(note_of(note)), mixpanel, tmp_path)
    assert "script" not in page.tags
    assert "u" not in page.tags
    assert "abcdefgh" not in page.text


def test_the_files_of_a_run_are_links(mixpanel, tmp_path):
    summary = tmp_path / "summary.json"
    source = schema() + opens(1) + record(open_record(2, time=None))
    page = page_of(source, None, tmp_path, dry_run=True, summary_path=str(summary))
    (events,) = (tmp_path / "dry_run").glob("*.jsonl")
    (rejected,) = (tmp_path / "dry_run" / "rejected").glob("*.jsonl")
    assert page.links == [path.as_uri() for path in (rejected, events, summary)]
