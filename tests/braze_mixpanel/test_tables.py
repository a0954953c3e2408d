"""Tables in the log."""

from __future__ import annotations

from braze_mixpanel.tables import text_table


def test_tables_are_aligned_and_never_cut() -> None:
    table = text_table(("event", "read"), [("x" * 300, 1), ("y", 1234567)])
    first, second, third = table.splitlines()
    assert second == "x" * 300 + "        1"
    assert third.endswith("1234567")
    assert first.startswith("event ")
