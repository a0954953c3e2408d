"""`--changes` says what Braze has changed, from the newest files and little more."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tap_braze_currents.bucket.local_folder import LocalFolder
from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.changes.command import print_changes
from tap_braze_currents.changes.differences import (
    Kind,
    NewestFile,
    find_differences,
    fits,
)
from tap_braze_currents.formats.fields import Field
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import file_key, generate, write_file
from tests.end_to_end.project import BIN
from tests.tap_braze_currents.conftest import catalog_of, make_tap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW = datetime(2026, 11, 27, 8, 30, tzinfo=timezone.utc)
NEWEST = datetime(2026, 11, 27, 7, tzinfo=timezone.utc)
CLICK = "users.messages.email.Click"
INVENTED = "pigeonpost.FeatherLost"
IDENTITY = {"id": "string", "time": "int", "external_user_id": "string"}


def hour(ago: int) -> datetime:
    return NEWEST - timedelta(hours=ago)


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d-%H}"


def put(root: Path, event_type: str, at: datetime, fields: Mapping[str, str] | None = None) -> None:
    """Write a file with one event that has these fields: name → Avro type."""
    types = {**IDENTITY, **(fields or {})}
    schema = {
        "type": "record",
        "name": f"dataexport.S3.inner.{event_type}",
        "fields": [{"name": name, "type": ["null", kind]} for name, kind in types.items()],
    }
    values: dict[str, Any] = dict.fromkeys(types) | {"id": "e", "time": int(at.timestamp())}
    write_file(root / file_key(event_type, at), event_type, [values], schema=schema, modified=at)


def changes(root: Path, capsys: Any, selected: frozenset[str] | None = None) -> str:
    tap = make_tap(root, conditions=RunConditions(clock=lambda: NOW))
    print_changes(tap, selected)
    out: str = capsys.readouterr().out
    return out


def rows(out: str) -> list[list[str]]:
    """The table's rows, by columns; an empty one is left out."""
    table = out.split("\n\n")[1].splitlines()
    assert table[0].split("  ")[0] == "what"
    return [re.split(r" {2,}", line) for line in table[1:]]


def test_a_type_of_a_new_family_is_shown_with_its_fields_and_since_when(tmp_path, capsys):
    for ago in (0, 1, 2, 300):
        put(tmp_path, INVENTED, hour(ago), {"feather": "string"})
    out = changes(tmp_path, capsys)
    assert rows(out) == [
        [
            "new type",
            INVENTED,
            "4 fields: id, time, external_user_id, feather",
            text(hour(300)),
            text(NEWEST),
            "3",
        ]
    ]
    assert "1 not known here" in out
    assert "need no new version of this package" in out


def test_new_and_changed_fields_are_found_to_the_hour_in_which_they_began(tmp_path, capsys):
    for ago in range(0, 2000, 7):
        fields = {"link_id": "string"}
        if ago <= 700:
            fields["mood"] = "string"
        if ago <= 350:
            fields["link_id"] = "long"
        put(tmp_path, CLICK, hour(ago), fields)
    assert rows(changes(tmp_path, capsys)) == [
        ["new field", CLICK, "mood: string", text(hour(700)), text(NEWEST), "4"],
        ["changed field", CLICK, "link_id: long, was string", text(hour(350)), text(NEWEST), "4"],
    ]


def test_a_field_that_all_files_have_is_new_since_the_first_file(tmp_path, capsys):
    for ago in (0, 50):
        put(tmp_path, CLICK, hour(ago), {"mood": "string"})
    ((_, _, _, since, *_),) = rows(changes(tmp_path, capsys))
    assert since == text(hour(50))


def test_a_type_without_files_for_a_week_has_stopped(tmp_path, capsys):
    put(tmp_path, CLICK, NEWEST)
    put(tmp_path, "users.canvas.Entry", hour(169))
    put(tmp_path, "users.messages.newsfeedcard.Click", hour(1000))
    put(tmp_path, "users.messages.email.Open", hour(160))
    found = {row[1]: row for row in rows(changes(tmp_path, capsys))}
    assert set(found) == {"users.canvas.Entry", "users.messages.newsfeedcard.Click"}
    assert found["users.canvas.Entry"][2] == text(hour(169))
    assert "Braze has withdrawn it" in found["users.messages.newsfeedcard.Click"]


def test_types_that_are_not_selected_are_shown_new_ones_among_them(tmp_path, capsys):
    for event_type in (CLICK, "users.canvas.Entry", INVENTED):
        put(tmp_path, event_type, NEWEST)
    out = changes(tmp_path, capsys, frozenset({"users_messages_email_click"}))
    new, unselected = rows(out)
    assert new[:2] == ["new type", INVENTED]
    assert new[2].startswith("not selected; 3 fields")
    assert unselected[:2] == ["not selected", "users.canvas.Entry"]
    assert "1 not known here, 1 not selected." in out


def test_nothing_new_is_said_in_one_line(tmp_path, capsys):
    generate(tmp_path, events=30, types=[CLICK, "users.canvas.Entry"], start=hour(2), hours=3)
    out = changes(tmp_path, capsys)
    assert out.count("\n") == 1
    assert "nothing differs" in out
    assert f"{len(registry()) - 2} known types have no file in this bucket." in out


def test_a_known_type_in_another_letter_case_is_known(tmp_path, capsys):
    put(tmp_path, "Users.Messages.EMAIL.click", NEWEST)
    assert "nothing differs" in changes(tmp_path, capsys)


def test_a_bucket_in_which_nothing_arrives_any_more_is_asked_about(tmp_path, capsys):
    put(tmp_path, CLICK, hour(30))
    assert "Is the Current still active?" in changes(tmp_path, capsys)


def test_a_newest_file_that_cannot_be_read_costs_its_own_type_and_exit_65(tmp_path, capsys):
    put(tmp_path, INVENTED, NEWEST)
    put(tmp_path, CLICK, NEWEST)
    broken = tmp_path / file_key(CLICK, NEWEST)
    broken.write_bytes(b"Obj\x01")
    tap = make_tap(tmp_path, conditions=RunConditions(clock=lambda: NOW))
    with pytest.raises(InputError, match=re.escape(broken.name)):
        print_changes(tap, None)
    assert INVENTED in capsys.readouterr().out


def test_a_flattened_bucket_is_compared_without_hours(tmp_path, capsys):
    schema = {"type": "record", "name": INVENTED, "fields": [{"name": "id", "type": "string"}]}
    write_file(tmp_path / "copy.avro", INVENTED, [{"id": "a"}], schema=schema)
    assert rows(changes(tmp_path, capsys)) == [
        ["new type", INVENTED, "1 fields: id", "-", "-", "-"]
    ]


def test_years_of_hours_cost_few_reads_and_listings(tmp_path, capsys, monkeypatch):
    for ago in range(0, 24 * 1000, 24):
        put(tmp_path, CLICK, hour(ago), {"mood": "string"} if ago < 3000 else {})
    calls = {"read": 0, "scan": 0}
    for name in calls:
        original = getattr(LocalFolder, name)

        def counted(self, *args, _name=name, _original=original, **options):
            calls[_name] += 1
            return _original(self, *args, **options)

        monkeypatch.setattr(LocalFolder, name, counted)
    ((_, _, _, since, *_),) = rows(changes(tmp_path, capsys))
    assert since == text(hour(2976))
    assert calls["read"] <= 20
    assert calls["scan"] <= 24


def test_a_bucket_that_is_not_there_is_a_wrong_setting(tmp_path):
    with pytest.raises(SettingsError):
        print_changes(make_tap(tmp_path / "nowhere"), None)


@pytest.mark.parametrize(
    ("found", "known", "result"),
    [
        ("string", "string", True),
        ("long", "int", True),
        ("int", "double", True),
        ("double", "int", False),
        ("string", "int", False),
        ("array<string>", "array<string>", True),
        ("array<long>", "array<string>", False),
        ("array<string>", "string", False),
        ("other", "string", True),
    ],
)
def test_a_field_has_changed_where_its_values_do_not_fit_the_known_type(found, known, result):
    assert fits(found, known) is result


def test_no_generated_file_of_a_known_type_differs():
    newest = [NewestFile(name, known.fields, text(NEWEST)) for name, known in registry().items()]
    assert find_differences(newest, None) == []


def test_an_announced_type_of_a_field_is_named_as_such():
    fields = (Field("send_time", "string"),)
    (one,) = find_differences([NewestFile(CLICK, fields, text(NEWEST))], None)
    assert (one.kind, one.detail) == (
        Kind.CHANGED_FIELD,
        "send_time: string, announced as int",
    )


def test_the_command_reads_the_selection_of_the_catalog_and_exits_0(tmp_path):
    now = datetime.now(timezone.utc)
    for event_type in (CLICK, INVENTED, "users.canvas.Entry"):
        put(tmp_path / "bucket", event_type, now)
    (tmp_path / "tap.json").write_text(json.dumps({"storage_url": str(tmp_path / "bucket")}))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_of("users_messages_email_click")))
    result = subprocess.run(
        [
            BIN / "tap-braze-currents",
            *("--config", tmp_path / "tap.json"),
            *("--catalog", tmp_path / "catalog.json", "--changes"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "new type" in result.stdout
    assert re.search(r"not selected +users\.canvas\.Entry", result.stdout)
    assert not re.search(r"not selected +users\.messages\.email", result.stdout)
