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
