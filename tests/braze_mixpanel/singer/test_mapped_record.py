"""What a stream map may make of a record."""

from __future__ import annotations

import logging
import time

import pytest
from singer_sdk.mapper import PluginMapper

from braze_mixpanel.singer.stream_map_errors import UnmappedRecordError, map_record


def mapped(expression: str, record: dict[str, object]) -> dict[str, object] | None:
    mapper = PluginMapper({"stream_maps": {"orders": {"made": expression}}}, logging.getLogger())
    mapper.register_raw_stream_schema("orders", {"properties": {"id": {"type": "string"}}}, ["id"])
    return map_record(mapper.stream_maps["orders"][0], record)


@pytest.mark.parametrize(
    "expression",
    [
        "[[[1] * 1000] * 1000] * 1000",
        "[[id * 1000] * 1000] * 1000",
        "[{'a': [[1] * 1000] * 1000}] * 1000",
    ],
)
def test_a_small_expression_with_a_huge_result_costs_its_record_and_no_memory(expression) -> None:
    began = time.process_time()
    with pytest.raises(UnmappedRecordError, match="OverflowError"):
        mapped(expression, {"id": "0123456789"})
    assert time.process_time() - began < 2


def test_a_result_of_a_usual_size_is_taken() -> None:
    record = mapped("[[id] * 100] * 100", {"id": "a"})
    assert record is not None
    assert record["made"] == [["a"] * 100] * 100
