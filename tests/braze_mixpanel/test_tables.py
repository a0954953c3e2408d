"""Tables in the log."""

from __future__ import annotations

from braze_mixpanel.tables import shortened, sum_of, text_table


def test_tables_are_aligned_and_never_cut() -> None:
    table = text_table(("event", "read"), [("x" * 300, 1), ("y", 1234567)])
    first, second, third = table.splitlines()
    assert second == "x" * 300 + "        1"
    assert third.endswith("1234567")
    assert first.startswith("event ")


def test_a_table_with_few_rows_keeps_them_all() -> None:
    rows = [("a", 1), ("b", 2), ("c", 3)]
    kept = shortened(rows, rank=lambda row: (int(row[1]),), rest_of=lambda _: ("rest", 0), most=3)
    assert kept == rows


def test_of_many_rows_the_most_important_stay_in_their_order_and_one_sums_up_the_rest() -> None:
    rows = [("a", 3), ("b", 1), ("c", 9), ("d", 2)]
    kept = shortened(
        rows,
        rank=lambda row: (int(row[1]),),
        rest_of=lambda rest: (f"{len(rest)} more", sum_of(rest, 1)),
        most=3,
    )
    assert kept == [("a", 3), ("c", 9), ("2 more", 3)]
