"""The query way: which cohorts, which pages, complete or not at all."""

from __future__ import annotations

import json
import time

import pytest

from tap_mixpanel_cohorts.tap import TapMixpanelCohorts
from tests.fakes.mixpanel_query_api import API_SECRET, CUT, PASSWORD, Answer, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PROPERTY, apply, run_tap

LIMITED = Answer(429, {"error": "Query rate limit exceeded"}, {"Retry-After": "1"})
HOUR_LIMIT = Answer(
    429, {"error": "61/60 queries running in the last hour"}, {"Retry-After": "900"}
)


@pytest.fixture
def mixpanel():
    with MixpanelQueryApi() as server:
        server.put(1000, "VIP", {f"u{n}": {PROPERTY: f"b{n}", "plan": "x"} for n in range(950)})
        server.put(1001, "Nobody", [])
        server.put(1002, "Others", ["a", "b"])
        yield server


def config(mixpanel, **more):
    return {"api_url": mixpanel.url, **mixpanel.account, "page_size": 100, **more}


def known(run):
    found = {}
    apply(run, found)
    return found


def test_only_the_cohorts_asked_for_are_paged_by_id_or_name(mixpanel, tmp_path):
    done = run_tap(tmp_path, config(mixpanel, cohorts=["VIP", "1001"])).ok()
    assert {number: len(people) for number, people in known(done).items()} == {1000: 950, 1001: 0}
    assert sorted(mixpanel.pages(1000)) == list(range(10))
    assert mixpanel.pages(1002) == []
    assert mixpanel.most_at_once <= 5


def test_a_page_is_as_large_as_the_answer_says(mixpanel, tmp_path):
    mixpanel.most_page = 500
    done = run_tap(tmp_path, config(mixpanel, cohorts=[1000], page_size=10_000)).ok()
    assert len(known(done)[1000]) == 950
    assert mixpanel.pages(1000) == [0, 1]
    assert mixpanel.asked[1].fields["page_size"] == "10000"


def test_records_carry_the_chosen_properties_and_only_those_are_asked_for(mixpanel, tmp_path):
    asked = config(mixpanel, cohorts=[1000, 1002], profile_properties=[PROPERTY])
    done = run_tap(tmp_path, asked).ok()
    records = {record["distinct_id"]: record for record in done.of("cohort_members")}
    assert records["u7"] == {"cohort_id": 1000, "distinct_id": "u7", PROPERTY: "b7"}
    assert records["a"][PROPERTY] is None
    assert {asked.fields.get("output_properties") for asked in mixpanel.asked[1:]} == {
        '["$braze_external_id"]'
    }
    assert "cohort_changes" not in {message.get("stream") for message in done.messages}


def test_count_is_what_was_read_and_not_what_the_list_says(mixpanel, tmp_path):
    mixpanel.put(1002, "Others", ["a", "b", "c"], count=77)
    done = run_tap(tmp_path, config(mixpanel, cohorts=[1002])).ok()
    assert done.of("cohorts")[0]["count"] == 3


@pytest.mark.parametrize("fault", [CUT, Answer(500, {"error": "oops"}), LIMITED])
def test_a_page_that_fails_once_is_asked_again(mixpanel, tmp_path, fault):
    mixpanel.fail(fault, page=3, cohort=1000)
    done = run_tap(tmp_path, config(mixpanel, cohorts=[1000])).ok()
    assert len(known(done)[1000]) == 950
    assert mixpanel.pages(1000).count(0) == 1
    if fault is LIMITED:
        assert "limits queries (429: Query rate limit exceeded); retrying in" in done.log


def test_an_expired_session_is_read_again_from_page_0(mixpanel, tmp_path):
    mixpanel.fail(Answer(400, {"error": "session expired"}), page=5, cohort=1000)
    done = run_tap(tmp_path, config(mixpanel, cohorts=[1000])).ok()
    assert len(known(done)[1000]) == 950
    assert mixpanel.pages(1000).count(0) == 2


def test_a_changed_total_is_read_again(mixpanel, tmp_path):
    body = {"status": "ok", "page": 2, "page_size": 100, "total": 951, "results": []}
    mixpanel.fail(Answer(200, body), page=2, cohort=1000)
    done = run_tap(tmp_path, config(mixpanel, cohorts=[1000])).ok()
    assert len(known(done)[1000]) == 950
    assert mixpanel.pages(1000).count(0) == 2


def test_a_cohort_that_stays_incomplete_is_not_sent_and_the_others_are(mixpanel, tmp_path):
    mixpanel.fail(Answer(400, {"error": "session expired"}), page=5, cohort=1000, times=99)
    done = run_tap(tmp_path, config(mixpanel, query_budget=1000))
    assert done.code == 75
    assert "1000 (page 5 was refused" in done.error
    assert known(done) == {1001: set(), 1002: {"a", "b"}}


def test_a_limit_beyond_retry_seconds_ends_with_75_and_what_is_complete(mixpanel, tmp_path):
    mixpanel.fail(HOUR_LIMIT, page=0, cohort=1001, times=99)
    mixpanel.fail(HOUR_LIMIT, page=0, cohort=1002, times=99)
    done = run_tap(tmp_path, config(mixpanel, retry_seconds=3))
    assert done.code == 75
    assert set(known(done)) == {1000}


def test_the_budget_is_kept_over_runs_in_state(mixpanel, tmp_path):
    tight = config(mixpanel, cohorts=[1001, 1002], query_budget=5, retry_seconds=0)
    first = run_tap(tmp_path, tight).ok()
    second = run_tap(tmp_path, tight, first.state)
    assert second.code == 75
    assert "query budget of 5 an hour is spent" in second.log
    assert len(mixpanel.asked) == 5
    assert [record["id"] for record in second.of("cohorts")] == [1001]
    assert len(second.state["bookmarks"]["cohorts"]["queries"]) == 5
    older = {**second.state["bookmarks"]["cohorts"], "queries": [1_600_000_000] * 60}
    third = run_tap(tmp_path, tight, {"bookmarks": {"cohorts": older}}).ok()
    assert [record["id"] for record in third.of("cohorts")] == [1002, 1001]


def test_the_log_says_beforehand_what_the_run_takes_and_which_schedule_fits(mixpanel, tmp_path):
    done = run_tap(tmp_path, config(mixpanel)).ok()
    assert "3 cohorts: a run needs about 13 queries of 60 an hour" in done.log
    assert "A schedule of every 15 minutes fits" in done.log


def test_the_connection_test_asks_one_query(mixpanel, tmp_path):
    done = run_tap(tmp_path, config(mixpanel), None, "--test").ok()
    assert [asked.path for asked in mixpanel.asked] == ["cohorts/list"]
    assert done.messages == []  # people read it: a table of the cohorts, not records
    table = done.log.partition("A run reads these cohorts:\n")[2].splitlines()
    assert [line.split()[0] for line in table[:4]] == ["cohort", "1000", "1001", "1002"]


def test_discovery_needs_no_connection_and_no_settings():
    catalog = json.loads(TapMixpanelCohorts(validate_config=False).catalog_json_text)
    names = {stream["tap_stream_id"] for stream in catalog["streams"]}
    assert names == {"cohorts", "cohort_members", "cohort_changes"}


def test_the_api_secret_works_and_warns_of_its_end(mixpanel, tmp_path):
    secret = {"api_url": mixpanel.url, "api_secret": API_SECRET, "project_id": "4242"}
    done = run_tap(tmp_path, {**secret, "cohorts": [1002]}).ok()
    assert "3 March 2027" in done.log
    assert API_SECRET not in done.log


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"service_account_password": "wrong"}, "refuses the credentials (401"),
        ({"project_id": "1"}, "Check project_id, workspace_id and region"),
        ({"cohorts": ["VIPs"]}, "no cohort 'VIPs': did you mean 'VIP' (id 1000)?"),
        ({"api_url": "http://example.com"}, "api_url is wrong"),
        ({"service_account_password": None}, "service_account_password is missing"),
        ({"profile_properties": ["distinct_id"]}, "every record has already"),
    ],
)
def test_a_mistake_is_one_line(mixpanel, tmp_path, change, line):
    done = run_tap(tmp_path, config(mixpanel, **change))
    assert done.code == 78
    assert line in done.error
    assert done.log.count("ERROR") == 1
    assert PASSWORD not in done.log
    assert done.records == 0


def test_a_plan_without_the_query_api_is_one_line_that_names_the_inbox(mixpanel, tmp_path):
    mixpanel.fail(Answer(402, {"error": "plan"}))
    done = run_tap(tmp_path, config(mixpanel))
    assert done.code == 78
    assert "mixpanel-cohort-inbox" in done.error


def test_a_property_that_no_member_has_is_named_after_all_were_sent(mixpanel, tmp_path):
    done = run_tap(tmp_path, config(mixpanel, profile_properties=["$braze_external_di"]))
    assert done.code == 78
    assert "none of the" in done.error
    assert "$braze_external_di" in done.error
    assert known(done)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"singer_state": state},
        lambda state: {"completed": {"singer_state": state}},
        lambda state: {"type": "STATE", "value": state},
        lambda state: {"bookmarks": {**state["bookmarks"], "cohort_members": None}},
    ],
)
def test_a_state_in_another_wrapping_is_the_same_state(mixpanel, tmp_path, wrap):
    tight = config(mixpanel, query_budget=9, retry_seconds=0)
    state = {"bookmarks": {"cohorts": {"queries": [int(time.time())] * 9, "read": {}}}}
    done = run_tap(tmp_path, tight, wrap(state))
    assert done.code == 75
    assert "query budget of 9 an hour is spent" in done.log


def test_a_state_of_no_known_shape_is_refused(mixpanel, tmp_path):
    done = run_tap(tmp_path, config(mixpanel), {"streams": {"cohorts": 1}})
    assert done.code == 78
    assert "has no bookmarks" in done.error
