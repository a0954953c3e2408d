"""Nobody's e-mail, name or phone in the database, a log, an error or an answer, both ways."""

from __future__ import annotations

import json

import pytest
import requests

from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import PASSWORD as ACCOUNT_SECRET
from tests.fakes.mixpanel_query_api import Answer, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, inbox, run_tap

MARKER = "marker"
AUTH = (USER, PASSWORD)
PERSON = {
    "email": "marker@example.com",
    "first_name": "Marker-First",
    "last_name": "Marker-Last",
    "phone_number": "+49-marker",
    "$email": "marker@example.com",
    "nested": {"of": ["marker@example.com"]},
}


def page(*members, **changes):
    parameters = {
        "mixpanel_project_id": 1,
        "mixpanel_cohort_id": 7,
        "mixpanel_cohort_name": "VIP",
        "mixpanel_session_id": "s1",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": list(members),
        **changes,
    }
    return {"action": changes.pop("action", "members"), "parameters": parameters}


MALFORMED = [
    page({**PERSON}),
    page({**PERSON, "mixpanel_distinct_id": {"email": "marker@example.com"}}),
    page({**PERSON, "mixpanel_distinct_id": "u" * 2000}),
    page({**PERSON, "mixpanel_distinct_id": "u1"}, page_info="marker@example.com"),
    {"action": {"email": "marker@example.com"}, "parameters": PERSON},
    {"action": "marker@example.com", "parameters": PERSON},
    [PERSON],
]


def test_the_inbox_keeps_and_logs_nothing_of_a_person_whatever_comes(tmp_path):
    db = f"sqlite:///{tmp_path}/inbox.db"
    answers = []
    with inbox(db) as server:
        sync = CohortSync(server.url, auth=AUTH)
        for people in ("ab", "b", "bc"):
            sync.cohort(1).people = {who: {PROPERTY: f"kept-{who}", **PERSON} for who in people}
            assert sync.run(1)
        answers += [
            requests.post(server.url, json=body, auth=AUTH, timeout=9) for body in MALFORMED
        ]
        cut = json.dumps(page({**PERSON, "mixpanel_distinct_id": "u1"}))[:-9]
        answers.append(requests.post(server.url, data=cut, auth=AUTH, timeout=9))
        answers.append(requests.post(server.url, json=MALFORMED[0], timeout=9))
        done = run_tap(tmp_path, {"inbox_db": db, "profile_properties": [PROPERTY]}).ok()
        files = {path.name: path.read_bytes() for path in tmp_path.glob("inbox.db*")}
        log = "".join(server.log)
    assert "inbox.db-wal" in files
    stored = b"".join(files.values()).decode("latin-1")
    assert "kept-b" in stored
    assert {answer.status_code for answer in answers} == {400, 401}
    places = (stored, log, done.log, str(done.messages), *(answer.text for answer in answers))
    for text in places:
        assert MARKER not in text.lower()
        assert PASSWORD not in text


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Answer(400, {"error": "no profile of marker@example.com"}),
        Answer(500, {"error": "failed at marker@example.com"}),
        Answer(200, {"status": "ok", "results": [{"$properties": PERSON}]}),
        Answer(200, {"status": "ok", "results": PERSON}),
        Answer(401, {"error": f"marker@example.com and {ACCOUNT_SECRET} do not fit"}),
    ],
)
def test_the_query_way_gives_out_and_logs_nothing_that_was_not_asked_for(tmp_path, fault):
    with MixpanelQueryApi() as mixpanel:
        people = {f"u{number}": {PROPERTY: f"kept-{number}", **PERSON} for number in range(150)}
        mixpanel.put(1, "VIP", people)
        mixpanel.sends_all_properties = True
        if fault:
            mixpanel.fail(fault, page=1, times=99)
        config = {"api_url": mixpanel.url, **mixpanel.account, "page_size": 100}
        done = run_tap(tmp_path, {**config, "profile_properties": [PROPERTY], "retry_seconds": 4})
    assert (done.code == 0) == (fault is None)
    for text in (done.log, str(done.messages)):
        assert MARKER not in text.lower()
        assert ACCOUNT_SECRET not in text
    assert ("kept-7" in str(done.messages)) == (fault is None)
