"""Bodies of responses."""

from __future__ import annotations

import pytest

from braze_mixpanel.http.json_body import json_object


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a":"\xff"}', b"[" * 5000, b"<html>"])
def test_a_body_without_a_json_object_is_an_empty_one(content) -> None:
    assert json_object(content) == {}
