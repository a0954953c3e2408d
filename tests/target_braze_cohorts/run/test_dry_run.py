"""A dry run shows who: some in the log, all in a private file, and what it would cost."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.run.planned_people import shortened
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    activate,
    by_attribute,
    cohort,
    full,
    member,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path


def listed(folder: Path) -> list[dict[str, Any]]:
    """Every line of the files of all dry runs in a folder."""
    return [
        json.loads(text)
        for path in sorted((folder / "plan").glob("*.jsonl"))
        for text in path.read_text().splitlines()
    ]


def dry(braze, folder, lines, **changes):
    return run(braze, folder, lines, dry_run=True, dry_run_path=str(folder / "plan"), **changes)


def people(folder: Path, change: str, cohort_id: str = "1", key: str = "external_id") -> set[str]:
    return {
        one[key]
        for one in listed(folder)
        if (one["change"], one["cohort_id"]) == (change, cohort_id)
    }


def test_everybody_who_would_enter_and_leave_is_in_the_file(braze, tmp_path):
    run(braze, tmp_path, full({1: "abc", 2: "xy"}, {1: "VIP"})).ok()
    before = len(braze.writes())
    done = dry(braze, tmp_path, full({1: "cde", 2: "xy"}, {1: "VIP"}), **LENIENT).ok()
    assert people(tmp_path, "add") == {"d", "e"}
    assert people(tmp_path, "remove") == {"a", "b"}
    assert people(tmp_path, "add", "2") == set()
    assert "VIP (1): add 2: d, e\nVIP (1): remove 2: a, b\n" in done.stderr
    assert len(braze.writes()) == before
    assert "Dry run, nothing was sent to Braze." in done.stderr
    assert "lists all 4 changes." in done.stderr


def test_only_its_owner_can_read_the_file(braze, tmp_path):
    dry(braze, tmp_path, full({1: "a"})).ok()
    (path,) = (tmp_path / "plan").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_log_names_ten_and_says_how_many_more(braze, tmp_path):
    everybody = [f"u{number:02}" for number in range(13)]
    done = dry(braze, tmp_path, full({1: everybody}, {1: "VIP"})).ok()
    assert f"VIP (1): add 13: {', '.join(everybody[:10])} and 3 more\n" in done.stderr
    assert "u10" not in done.stderr
    assert people(tmp_path, "add") == set(everybody)


def test_a_total_row_and_the_data_points_of_attribute_writes(braze, tmp_path):
    by_id = by_attribute(attribute_value="id")
    run(braze, tmp_path, full({1: "abc", 2: "xy"}), **by_id).ok()
    lists = full({1: "bcde", 2: "xyz"})
    done = dry(braze, tmp_path, lists, **by_id, **LENIENT).ok()
    assert re.search(r"received .* to add +to remove +data points +note", done.stderr)
    assert re.search(r"^total +7 +0 +5 +3 +1 +4$", done.stderr, re.MULTILINE)
    assert "It would cost 4 data points." in done.stderr
    before = len(braze.writes())
    run(braze, tmp_path, lists, **by_id, **LENIENT).ok()
    written = [user for one in braze.writes()[before:] for user in one.body["attributes"]]
    assert len(written) == 4


def test_the_cohort_import_writes_no_attribute_so_no_data_points_are_shown(braze, tmp_path):
    done = dry(braze, tmp_path, full({1: "ab"})).ok()
    assert "data points" not in done.stderr
    assert re.search(r"^total +2 +0 +0 +2 +0$", done.stderr, re.MULTILINE)


def test_who_would_leave_a_cohort_that_a_guard_stops_is_shown_and_marked(braze, tmp_path):
    by_id = by_attribute(attribute_value="id")
    run(braze, tmp_path, full({1: "abcd"}, {1: "VIP"}), **by_id).ok()
    done = dry(braze, tmp_path, full({1: "de"}, {1: "VIP"}), **by_id)
    assert isinstance(done.error, SettingsError)
    assert people(tmp_path, "remove") == {"a", "b", "c"}
    assert {one["stopped"] for one in listed(tmp_path)} == {True}
    assert "VIP (1): STOPPED, would remove 3: a, b, c" in done.stderr
    assert "It would cost 0 data points." in done.stderr


def test_the_members_of_a_renamed_cohort_move_from_the_old_value(braze, tmp_path):
    run(braze, tmp_path, full({1: "abc"}, {1: "old"}), **by_attribute()).ok()
    done = dry(braze, tmp_path, full({1: "bc"}, {1: "new"}), **by_attribute(), **LENIENT).ok()
    assert people(tmp_path, "add") == {"b", "c"}
    assert [one for one in listed(tmp_path) if one["change"] == "remove"] == [
        {
            "cohort_id": "1",
            "cohort": "new",
            "list": "old",
            "change": "remove",
            "external_id": who,
        }
        for who in "abc"
    ]
    assert "new (1): remove 3 from old: a, b, c" in done.stderr
    assert done.rows["1"].counts.to_remove == 3
    real = run(braze, tmp_path, full({1: "bc"}, {1: "new"}), **by_attribute(), **LENIENT).ok()
    assert (real.rows["1"].done.added, real.rows["1"].done.removed) == (2, 3)


def test_a_list_that_is_not_complete_shows_nobody_who_would_leave(braze, tmp_path):
    run(braze, tmp_path, full({1: "abc"})).ok()
    dry(braze, tmp_path, SCHEMAS + cohort(1, "VIP") + member(1, "d"))
    assert people(tmp_path, "add") == {"d"}
    assert people(tmp_path, "remove") == set()


def test_a_cohort_that_vanished_is_shown_where_it_would_be_cleared(braze, tmp_path):
    run(braze, tmp_path, full({1: "ab", 2: "xyz"})).ok()
    kept = dry(braze, tmp_path, full({2: "xyz"})).ok()
    assert "No person would be added or removed." in kept.stderr
    assert not (tmp_path / "plan").exists()
    dry(braze, tmp_path, full({2: "xyz"}), clear_vanished_cohorts=True, **LENIENT).ok()
    assert people(tmp_path, "remove") == {"a", "b"}


def test_what_the_dry_run_lists_is_what_the_real_run_sends(braze, tmp_path):
    run(braze, tmp_path, full(dict.fromkeys((1, 2, 3), "abcdef"))).ok()
    lists = full({1: "defg", 2: "", 3: "abcdefgh"})
    dry(braze, tmp_path, lists, **LENIENT).ok()
    before = len(braze.writes())
    run(braze, tmp_path, lists, **LENIENT).ok()
    sent = set()
    for request in braze.writes()[before:]:
        sent |= {(request.body["cohort_id"], "add", who) for who in request.adds}
        sent |= {(request.body["cohort_id"], "remove", who) for who in request.removes}
    assert sent == {
        (one["cohort_id"], one["change"], one["external_id"]) for one in listed(tmp_path)
    }


@pytest.mark.parametrize(
    ("identifier", "people_by", "shown"),
    [
        ("email", ["ann.smith@example.com"], "a…h@example.com"),
        ("phone", ["+491701234567"], "+49…67"),
        ("external_id", ["ann.smith@example.com"], "a…h@example.com"),
    ],
)
def test_addresses_and_numbers_are_shortened_in_the_log_and_whole_in_the_file(
    braze, tmp_path, identifier, people_by, shown
):
    settings = by_attribute(identifier=identifier, attribute_value="id")
    done = dry(braze, tmp_path, full({1: people_by}, {1: "VIP"}), **settings).ok()
    assert f"VIP (1): add 1: {shown}\n" in done.stderr
    assert people_by[0] not in done.stderr
    assert people(tmp_path, "add", key=identifier) == set(people_by)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a@b.de", "a…@b.de"), ("ab@b.de", "a…@b.de"), ("abcd@b.de", "a…d@b.de"), ("u1", "u1")],
)
def test_a_short_address_does_not_show_itself(text, shown):
    assert shortened("email", text) == shown


def test_an_alias_shows_its_label_and_no_character_that_changes_a_terminal(braze, tmp_path):
    labels = {"identifier": "alias", "alias_label": "crm"}
    lines = SCHEMAS + member(1, "x\x1b[31m\n") + cohort(1, "Ev\nil", 1) + activate()
    done = dry(braze, tmp_path, lines, **by_attribute(attribute_value="id"), **labels).ok()
    assert "x\ufffd[31m\ufffd (crm)" in done.stderr
    assert "\x1b" not in done.stderr
    (one,) = listed(tmp_path)
    assert one["user_alias"] == {"alias_name": "x\x1b[31m\n", "alias_label": "crm"}


def test_a_dry_run_path_that_cannot_be_used_is_found_before_anything_is_read(tmp_path):
    (tmp_path / "plan").write_text("a file")
    with pytest.raises(Exception, match="validation failed") as caught:
        dry(None, tmp_path, full({1: "a"}))
    assert "dry_run_path" in str(vars(caught.value))
