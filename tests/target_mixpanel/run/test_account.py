"""The account of a run: what became of every record."""

from __future__ import annotations

import time

from target_mixpanel.run.account import Account


def test_thousands_of_event_names_do_not_delay_the_end_of_a_run() -> None:
    account = Account()
    for number in range(20_000):
        account.skip(f"[Braze Custom Event] {number}", "anonymous")
        account.remarks[f"[Braze Custom Event] {number}", "noted"] += 1
    began = time.process_time()
    assert "skipped, anonymous: 1; note: noted: 1" in account.table()
    assert time.process_time() - began < 5


def test_of_many_events_the_rejected_and_the_largest_have_lines_and_the_rest_one() -> None:
    account = Account()
    for number in range(100):
        account.read.update({f"event {number:02}": number + 1})
        account.imported.update({f"event {number:02}": number + 1})
    account.imported["event 03"] -= 1
    account.reject("event 03", "no time")
    account.imported["event 05"] -= 1
    account.skipped["event 05", "anonymous"] += 1
    lines = account.table().splitlines()
    assert len(lines) == 82
    assert lines[1].split() == ["event", "03", "4", "3", "0", "1", "rejected,", "no", "time:", "1"]
    assert lines[-3].split()[:3] == ["event", "99", "100"]
    left_out = sum(range(1, 23)) - 4
    assert lines[-2].split() == [
        *("…", "and", "21", "more"),
        *(str(left_out), str(left_out - 1), "1", "0"),
        *("skipped,", "anonymous:", "1"),
    ]
    assert lines[-1].split() == ["total", "5050", "5048", "1", "1"]
