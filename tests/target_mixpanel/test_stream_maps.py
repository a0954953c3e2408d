"""Mistakes in stream maps and flattening: one line in the log, or one rejected record."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from braze_mixpanel.errors import SettingsError
from target_mixpanel.target import TargetMixpanel
from tests.target_mixpanel.harness import (
    STREAM,
    open_record,
    opens,
    record,
    run,
    schema,
    settings,
    state,
)

FIELDS = ("id", "time", "external_user_id", "campaign_name")
SCHEMA = schema(STREAM, **{name: {} for name in FIELDS})
PERSONAL = "kay@example.com"


def message_of(error: BaseException | None) -> str:
    """What the user reads of a mistake in the settings: one line that names the stream."""
    assert isinstance(error, SettingsError)
    assert "\n" not in str(error)
    assert STREAM in str(error)
    assert "stream_maps" in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"id": "sha256("}, "sha256("),
        ({"id": "'a\nb"}, "'a b"),
        ({"id": ""}, "an expression is empty"),
        ({"id": None}, "key property 'id'"),
        ({"__filter__": "id =="}, "id =="),
        ({"__key_properties__": ["nowhere"]}, "nowhere"),
        ({"__alias__": "'a"}, "'a"),
    ],
)
def test_a_map_that_cannot_be_set_up_is_reported_before_any_record(
    mixpanel, tmp_path, maps, said
) -> None:
    result = run(SCHEMA + opens(1) + state(1), mixpanel, tmp_path, stream_maps={STREAM: maps})
    assert said in message_of(result.error)
    assert (mixpanel.count, result.states) == (0, [])


def test_two_fields_of_one_name_after_flattening_are_reported(mixpanel, tmp_path) -> None:
    fields = {"a": {"type": "object", "properties": {"b": {"type": "string"}}}, "a__b": {}}
    flat = {"flattening_enabled": True, "flattening_max_depth": 2}
    result = run(schema(STREAM, **fields) + state(1), mixpanel, tmp_path, **flat)
    assert "a__b" in message_of(result.error)
    assert "flattening" in message_of(result.error)


@pytest.mark.parametrize(
    "maps",
    [
        {"__else__": "keep"},
        {"__other__": {}},
        {STREAM: "keep"},
        {STREAM: {"__else__": "keep"}},
        {STREAM: {"id": ["id"]}},
        {STREAM: {"__filter__": 3}},
    ],
)
def test_what_is_no_map_at_all_is_reported_at_the_start(tmp_path, caplog, maps) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings(None, tmp_path, stream_maps=maps)))
    result = CliRunner().invoke(TargetMixpanel.cli, ["--config", str(path)], input="")
    assert result.exit_code == SettingsError.exit_code
    (error,) = (r.getMessage() for r in caplog.records if r.levelname == "ERROR")
    assert "stream_maps" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("nofunction(id)", "FunctionNotDefined"),
        ("nofield", "NameNotDefined"),
        ("x = id", "StreamMapConfigError"),
    ],
)
def test_a_map_that_fits_no_record_ends_the_run_without_showing_the_record(
    mixpanel, tmp_path, expression, reason
) -> None:
    source = SCHEMA + state(1) + record(open_record(1, external_user_id=PERSONAL)) + state(2)
    maps = {STREAM: {"campaign_name": expression}}
    result = run(source, mixpanel, tmp_path, stream_maps=maps)
    assert expression in message_of(result.error) or reason == "StreamMapConfigError"
    assert reason in message_of(result.error)
    assert PERSONAL not in message_of(result.error)
    assert result.states == [{"bookmarks": {STREAM: 1}}]


@pytest.mark.parametrize(
    "expression",
    [
        "campaign_name * 100000",
        "2 ** (campaign_name.count('b') * 5000000)",
        "1 << (campaign_name.count('b') * 20000)",
    ],
)
def test_a_record_of_which_its_map_makes_too_much_lies_in_the_dead_letter(
    mixpanel, tmp_path, expression
) -> None:
    long, short = open_record(1, campaign_name="ab"), open_record(2, campaign_name="")
    source = SCHEMA + record(long) + record(short) + state(1)
    result = run(source, mixpanel, tmp_path, stream_maps={STREAM: {"campaign_name": expression}})
    assert result.error is None
    assert mixpanel.insert_ids() == {"event-2"}
    assert [dead["record"] for dead in result.dead] == [long]
    assert result.states == [{"bookmarks": {STREAM: 1}}]


@pytest.mark.parametrize(
    "expression",
    [
        "campaign_name.upper()",
        "campaign_name",
        "md5(record.get('campaign_name'))",
        "'a' + record.get('campaign_name')",
        "record['campaign_name']",
    ],
)
def test_a_record_that_its_map_cannot_take_lies_in_the_dead_letter(
    mixpanel, tmp_path, expression
) -> None:
    source = SCHEMA + record(open_record(1, campaign_name="a")) + record(open_record(2)) + state(1)
    maps = {STREAM: {"campaign_name": expression}}
    result = run(source, mixpanel, tmp_path, stream_maps=maps)
    assert result.error is None
    assert mixpanel.insert_ids() == {"event-1"}
    assert [dead["record"] for dead in result.dead] == [open_record(2)]
    assert [expression in dead["message"] for dead in result.dead] == [True]
    assert result.states == [{"bookmarks": {STREAM: 1}}]
