"""A record that its stream map cannot take is left out; the run says so at its end, with 65."""

from __future__ import annotations

import pytest

from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PASSWORD, USER, inbox, run_tap

FAILING = {"cohort_members": {"distinct_id": "'id-' + distinct_id[1]"}}
HUGE = {"cohort_members": {"made": "[[distinct_id[1:] * 1000] * 1000] * 1000"}}


@pytest.fixture
def mixpanel():
    with MixpanelQueryApi() as server:
        server.put(1000, "VIP", ["u1", "u", "u2"])
        server.put(1001, "Others", ["u3"])
        yield server


def config(mixpanel, **more):
    return {"api_url": mixpanel.url, **mixpanel.account, "page_size": 100, **more}


@pytest.mark.parametrize(
    ("maps", "given"), [(FAILING, {"id-1", "id-2", "id-3"}), (HUGE, {"u"})], ids=["fails", "huge"]
)
def test_the_others_come_and_the_list_is_not_said_to_be_whole(
    mixpanel, tmp_path, maps, given
) -> None:
    done = run_tap(tmp_path, config(mixpanel, stream_maps=maps))
    assert done.code == 65
    assert {one["distinct_id"] for one in done.of("cohort_members")} == given
    counts = {one["id"]: one["count"] for one in done.of("cohorts")}
    assert counts == {1000: None, 1001: 1 if maps is FAILING else None}
    left_out = "1 record is" if maps is FAILING else "3 records are"
    assert f"{left_out} left out" in done.error
    assert next(iter(maps["cohort_members"].values())) in done.error
    assert "Traceback" not in done.log
    assert done.state["bookmarks"]["cohorts"]["read"].keys() == {"1000", "1001"}


def test_a_cohorts_own_record_that_cannot_be_mapped_leaves_its_members(mixpanel, tmp_path) -> None:
    mixpanel.put(1002, "x", ["u4"])
    maps = {"cohorts": {"name": "name[2]"}}
    done = run_tap(tmp_path, config(mixpanel, stream_maps=maps))
    assert done.code == 65
    assert {one["id"] for one in done.of("cohorts")} == {1000, 1001}
    assert len(done.of("cohort_members")) == 5


def test_a_map_that_fails_on_every_record_is_a_mistake_in_the_settings(mixpanel, tmp_path) -> None:
    maps = {"cohort_members": {"distinct_id": "nofunction(distinct_id)"}}
    done = run_tap(tmp_path, config(mixpanel, stream_maps=maps))
    assert done.code == 78
    assert "nofunction(distinct_id)" in done.error
    assert done.of("cohort_members") == []


def test_what_was_pushed_comes_again_once_the_map_takes_it(tmp_path) -> None:
    db = f"sqlite:///{tmp_path}/inbox.db"
    with inbox(db) as server:
        sync = CohortSync(server.url, auth=(USER, PASSWORD))
        sync.cohort(1000, "VIP").people = {"u1": {}, "u": {}}
        assert sync.run(1000)
    done = run_tap(tmp_path, {"inbox_db": db, "stream_maps": FAILING})
    assert done.code == 65
    assert [one["distinct_id"] for one in done.of("cohort_members")] == ["id-1"]
    assert done.state is None
    again = run_tap(tmp_path, {"inbox_db": db}).ok()
    assert {one["distinct_id"] for one in again.of("cohort_members")} == {"u", "u1"}
    assert again.of("cohorts")[0]["count"] == 2
