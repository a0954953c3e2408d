"""What the inbox deletes, and when."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tap_mixpanel_cohorts.inbox import cleaning
from tap_mixpanel_cohorts.inbox.cleaning import Cleaning
from tap_mixpanel_cohorts.inbox.database import create_tables, make_engine, parse_url
from tap_mixpanel_cohorts.inbox.intake import Intake
from tap_mixpanel_cohorts.inbox.push import Push
from tap_mixpanel_cohorts.inbox.schema import cohorts, deliveries, inbox, members, pages
from tap_mixpanel_cohorts.reading.pushed import PushedCohorts, note_passed, open_inbox

DAY = 86_400
KEEP_DAYS = 14


class Box:
    """An inbox whose time a test sets."""

    def __init__(self, folder):
        self.url = f"sqlite:///{folder}/inbox.db"
        self.engine = make_engine(parse_url(self.url, "x"), writes=True)
        create_tables(self.engine, "[]")
        self.now = 0.0
        self.intake = Intake(self.engine, lambda: self.now)
        self.cleaning = Cleaning(self.engine, KEEP_DAYS, lambda: self.now)
        self.sessions = 0

    def push(self, action, people, *, session=None, page=1, pages=1):
        self.sessions += session is None
        return self.intake.store(
            Push(
                action=action,
                project_id="1",
                cohort_id="7",
                name="VIP",
                description="",
                session_id=session or f"s{self.sessions}",
                page=page,
                total_pages=pages,
                members=tuple((who.encode(), None) for who in people),
            )
        )

    def rows(self, table):
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table))

    def value(self, column):
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(column))

    def read(self, progress):
        """What the tap gives out: the stream, and who is in it."""
        with open_inbox(self.url) as connection:
            source = PushedCohorts(
                connection, wanted=None, profile_properties=[], progress=progress
            )
            read = [
                (one.stream, b"".join(block.ndjson for block in one.blocks).decode())
                for one in source.readings()
            ]
            return read, source.final_progress()


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    yield box
    box.engine.dispose()


def test_an_export_that_never_ended_is_deleted_after_keep_days_with_its_people(box):
    box.push("members", ["a"], session="cut", page=1, pages=3)
    box.now = KEEP_DAYS * DAY
    assert box.cleaning.run() == 0
    assert box.rows(members) == 1
    box.now += 1
    assert box.cleaning.run() == 1
    assert (box.rows(members), box.rows(pages), box.rows(deliveries)) == (0, 0, 0)


def test_an_export_whose_pages_still_come_is_kept(box):
    box.push("members", ["a"], session="slow", page=1, pages=2)
    box.now = (KEEP_DAYS - 1) * DAY
    box.push("members", ["a"], session="slow", page=1, pages=2)
    box.push("members", ["c"], session="slow", page=1, pages=2)
    box.now = KEEP_DAYS * DAY + 1
    assert box.cleaning.run() == 0
    assert box.push("members", ["b"], session="slow", page=2, pages=2) == "list complete"


def test_a_page_that_comes_after_its_export_was_deleted_completes_nothing(box):
    box.push("members", ["a"], session="cut", page=1, pages=2)
    box.now = KEEP_DAYS * DAY + 1
    box.cleaning.run()
    assert box.push("members", ["b"], session="cut", page=2, pages=2) == "stored"
    assert box.read({})[0] == []


def test_a_list_that_another_replaced_is_deleted_at_once(box):
    box.push("members", ["a", "b"])
    box.push("members", ["c"])
    assert box.cleaning.run() == 2
    assert box.rows(members) == 1


def test_a_large_list_is_deleted_in_parts_with_pauses_for_the_pages_that_wait(box, monkeypatch):
    monkeypatch.setattr(cleaning, "_CHUNK_ROWS", 2)
    pauses = []
    box.push("members", list("abcde"))
    box.push("members", ["f"])
    assert Cleaning(box.engine, KEEP_DAYS, lambda: box.now, pauses.append).run() == 5
    assert len(pauses) == 2
    assert min(pauses) > 0.1


def leaves(box, who):
    box.push("add_members", [], session=f"without {who}")
    box.push("remove_members", [who], session=f"without {who}")


def test_who_left_is_deleted_when_state_has_passed_it_and_two_exports_followed(box):
    box.push("members", list("abcdef"))
    for who in "abc":
        leaves(box, who)
    _, progress = box.read({})
    assert box.cleaning.run() == 0
    note_passed(box.url, progress["sequence"])
    assert box.cleaning.run() == 1
    people = box.read({})[0][0][1]
    assert people.count("distinct_id") == 3
    assert box.rows(members) == 5


def test_the_last_exports_are_kept_four_days_because_mixpanel_may_take_them_for_failed(box):
    hasty = Cleaning(box.engine, 1, lambda: box.now)
    box.push("members", list("abcdef"))
    leaves(box, "a")
    box.now = 3 * DAY
    assert hasty.run() == 0
    box.push("remove_members", ["a", "b"])  # so the export that removed only a had failed
    assert '"a"' not in box.read({})[0][0][1]
    box.now = 8 * DAY
    assert hasty.run() == 2


def test_who_left_is_deleted_after_keep_days_though_no_tap_ever_ran(box):
    box.push("members", list("abcdef"))
    for who in "abc":
        leaves(box, who)
    box.now = KEEP_DAYS * DAY + 1
    assert box.cleaning.run() == 3
    assert box.rows(members) == 3


def test_state_from_before_a_deletion_gets_the_complete_list_instead_of_changes(box):
    box.push("members", list("abcdef"))
    _, old = box.read({})
    for who in "abc":
        leaves(box, who)
    box.now = KEEP_DAYS * DAY + 1
    box.cleaning.run()
    ((stream, people),), _ = box.read(old)
    assert stream == "cohort_members"
    assert [who in people for who in ('"a"', '"d"', '"e"', '"f"')] == [False, True, True, True]


def test_the_notes_of_exports_that_ended_are_deleted_after_keep_days(box):
    box.push("members", ["a"])
    for who in "xyz":
        box.push("add_members", [who])
    assert box.rows(deliveries) == 4
    box.now = KEEP_DAYS * DAY + 1
    box.cleaning.run()
    assert box.rows(deliveries) == 1
    assert box.rows(cohorts) == 1
    ((_, people),), _ = box.read({})
    assert people.count("distinct_id") == 4


def test_the_state_that_was_passed_never_goes_back(box):
    note_passed(box.url, 7)
    note_passed(box.url, 3)
    assert box.value(inbox.c.passed_sequence) == 7
