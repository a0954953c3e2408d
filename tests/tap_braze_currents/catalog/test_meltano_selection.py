"""Commands that Meltano runs without a catalog of their own keep to the project's `select`."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from meltano.core.plugin.singer.catalog import MetadataRule, select_metadata_rules

from tap_braze_currents.catalog.meltano_selection import MeltanoSelection, meltano_selection
from tests.end_to_end.project import BIN
from tests.tap_braze_currents.conftest import catalog_of
from tests.tap_braze_currents.planning.small_files import CUSTOM, STREAM, put
from tools.definitions import native_streams

STREAMS = [*native_streams(), "users_messages_email_retry", "users_messages_whatsapp_read"]


@pytest.mark.parametrize(
    "patterns",
    [
        ["*.*"],
        ["users_messages_email_*.*", "users_canvas_entry.id"],
        ["users_messages_email_*"],
        ["*.*", "!users_messages_*.*"],
        ["!users_messages_*", "*"],
        ["*.*", "!*.gender"],
        ["users_messages_[ew]*.*", "!*_retry.*"],
        [],
    ],
    ids=str,
)
def test_the_same_streams_are_selected_as_in_meltanos_own_catalog(patterns):
    rules = select_metadata_rules(["!*.*"]) + select_metadata_rules(patterns)

    def meltano_selects(stream: str) -> bool:
        return [rule.value for rule in MetadataRule.matching(rules, stream, [])][-1] is True

    selection = MeltanoSelection(tuple(patterns))
    assert [name for name in STREAMS if name in selection] == [
        name for name in STREAMS if meltano_selects(name)
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MELTANO_EXTRACT__SELECT": "no JSON"},
        {"MELTANO_EXTRACT__SELECT": "null"},
        {"MELTANO_EXTRACT__SELECT": '["*.*"]', "MELTANO_EXTRACT__CATALOG": "mine.json"},
    ],
)
def test_without_a_selection_of_meltano_the_catalog_decides(environment):
    assert meltano_selection(environment) is None


@pytest.mark.parametrize("has_catalog_of_another_run", [True, False])
@pytest.mark.parametrize("option", ["--test", "--changes"])
def test_a_command_keeps_to_the_selection_and_not_to_the_catalog_of_an_earlier_run(
    tmp_path, option, has_catalog_of_another_run
):
    bucket = tmp_path / "bucket"
    put(bucket, 0)
    put(bucket, 0, event_type=CUSTOM)
    (tmp_path / "tap.json").write_text(json.dumps({"storage_url": str(bucket)}))
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of("users_behaviors_customevent")))
    result = subprocess.run(
        [
            BIN / "tap-braze-currents",
            *("--config", tmp_path / "tap.json"),
            *(("--catalog", catalog) if has_catalog_of_another_run else ()),
            option,
        ],
        env={**os.environ, "MELTANO_EXTRACT__SELECT": json.dumps([f"{STREAM}.*"])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if option == "--test":
        assert "1 of 1 selected streams have files" in result.stderr
        assert STREAM in result.stderr
    else:
        assert f"not selected  {CUSTOM}" in result.stdout
        assert "1 not selected" in result.stdout
