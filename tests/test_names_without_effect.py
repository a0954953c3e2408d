"""A name in a setting that matches nothing is refused, or named at the end with an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.stream_map_names import MapUse
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.tap_braze_currents.conftest import make_tap
from tests.target_braze_cohorts.harness import SCHEMAS, cohort, full, member
from tests.target_braze_cohorts.harness import run as run_cohorts
from tests.target_mixpanel.harness import STREAM, opens, schema
from tests.target_mixpanel.harness import run as run_mixpanel

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("id", "time", "external_user_id", "email_address")
OPENS = schema(STREAM, **{name: {} for name in FIELDS}) + opens(1)
SAMPLE = "sample_bucket"

WITHOUT_EFFECT: list[dict[str, Any]] = [
    {"nowhere": {"email": None}},
    {"nowhere": None},
    {"nowhere*": {"email": None}},
    {"copy": {"__source__": "nowhere"}},
]


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server


IN_CURRENTS: list[dict[str, Any]] = [
    *WITHOUT_EFFECT,
    {"users_messages_email_opne": {"email_address": None}},
    {STREAM: {"email_adress": None}},
    {STREAM: {"email_adress": "__NULL__"}},
]
WITH_EFFECT: list[dict[str, Any]] = [
    {STREAM: {"email_address": None}},
    {"users_messages_email_*": {"email_address": None}},
    {STREAM: {"new": "id"}},
    {"copy": {"__source__": STREAM, "email_address": None}},
    {},
]


@pytest.mark.parametrize("maps", IN_CURRENTS, ids=str)
def test_the_tap_refuses_before_a_record(maps, capfd) -> None:
    tap = make_tap(SAMPLE, stream_maps=maps)
    capfd.readouterr()
    with pytest.raises(SettingsError, match="stream_maps"):
        tap.sync_all()
    assert '"RECORD"' not in capfd.readouterr().out


@pytest.mark.parametrize("maps", IN_CURRENTS, ids=str)
def test_target_mixpanel_names_it(maps, tmp_path: Path) -> None:
    done = run_mixpanel(OPENS, None, tmp_path, dry_run=True, stream_maps=maps)
    assert isinstance(done.error, SettingsError)
    assert "stream_maps" in str(done.error)


@pytest.mark.parametrize("maps", WITHOUT_EFFECT, ids=str)
def test_target_mixpanel_refuses_before_it_sends(maps, tmp_path: Path) -> None:
    with FakeMixpanel() as server:
        done = run_mixpanel(OPENS, server, tmp_path, stream_maps=maps)
        assert "Nothing was sent" in str(done.error)
        assert server.count == 0


def test_target_mixpanel_names_it_before_the_first_batch_of_a_long_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = schema(STREAM, **{name: {} for name in FIELDS}) + opens(5)
    with FakeMixpanel() as server, caplog.at_level(logging.INFO, "target-mixpanel"):
        done = run_mixpanel(
            lines, server, tmp_path, stream_maps={"nowhere": {"email": None}}, batch_size=2
        )
        assert server.count > 0
    assert "no stream is named nowhere. That is so far" in caplog.text
    assert "no stream is named nowhere" in str(done.error)


@pytest.mark.parametrize("maps", WITH_EFFECT, ids=str)
def test_maps_that_have_an_effect_are_no_error(maps, tmp_path: Path) -> None:
    aliases = {"copy": {"event": "Copy", "distinct_id": "external_user_id", "time": "time"}}
    used = {name: aliases[name] for name in maps if name in aliases}
    done = run_mixpanel(OPENS, None, tmp_path, dry_run=True, stream_maps=maps, streams=used)
    assert done.error is None


@pytest.mark.parametrize("maps", WITHOUT_EFFECT, ids=str)
def test_target_braze_cohorts_refuses_before_it_sends(maps, braze, tmp_path: Path) -> None:
    done = run_cohorts(braze, tmp_path, full({1: ["u1"]}), stream_maps=maps)
    assert isinstance(done.error, SettingsError)
    assert "Nothing was sent" in str(done.error)
    assert not done.rows


def test_a_field_that_the_schema_leaves_open_is_judged_by_the_records() -> None:
    use = MapUse({"orders": {"email": None, "phone": None}})
    use.saw_stream("orders", ())
    use.saw_record("orders", {"email": "a"}, closed=False)
    (found,) = use.find_unused()
    assert "phone" in found


def test_a_stream_that_may_be_meant_is_named_before_its_records() -> None:
    use = MapUse({"order": {"email": None}})
    use.saw_stream("orders", ("email",))
    assert use.near_misses("orders") == ["order"]


def test_an_unmatched_stream_in_streams_is_named(tmp_path: Path) -> None:
    nowhere = {"nowhere": {"event": "A", "distinct_id": "b", "time": "c"}}
    done = run_mixpanel(OPENS, None, tmp_path, dry_run=True, streams=nowhere)
    assert "nowhere" in str(done.error)


def test_an_unmatched_cohort_id_is_named_after_the_others_were_delivered(
    braze, tmp_path: Path
) -> None:
    lines = SCHEMAS + member(1, "u1") + cohort(1, "VIP", 1)
    done = run_cohorts(braze, tmp_path, lines, cohort_ids=["1", "11"])
    assert isinstance(done.error, SettingsError)
    assert "11" in str(done.error)
    assert done.rows["1"].done.added == 1
