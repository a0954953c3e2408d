"""How the inbox answers Mixpanel's calls."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests
import trustme

from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.tap_mixpanel_cohorts.harness import BIN, PASSWORD, USER, environment, inbox

AUTH = (USER, PASSWORD)


@pytest.fixture
def server(tmp_path):
    with inbox(f"sqlite:///{tmp_path}/inbox.db") as process:
        yield process


def body(**changes):
    parameters = {
        "mixpanel_project_id": 1,
        "mixpanel_cohort_id": 7,
        "mixpanel_cohort_name": "VIP",
        "mixpanel_session_id": "s1",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [{"mixpanel_distinct_id": "u1", "email": "marker@example.com"}],
    }
    action = changes.pop("action", "members")
    return {"action": action, "parameters": {**parameters, **changes}}


def test_success_has_mixpanels_form(server):
    answer = requests.post(server.url, json=body(), auth=AUTH, timeout=9)
    assert (answer.status_code, answer.json()) == (200, {"action": "members", "status": "success"})


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"nonsense", "not JSON"),
        (b"[1]", "not a JSON object"),
        (json.dumps(body(action="delete_all")).encode(), "Unknown action 'delete_all'"),
        (json.dumps({"action": "members"}).encode(), "parameters is not an object"),
        (json.dumps(body(page_info=None)).encode(), "page_info"),
        (json.dumps(body(page_info={"total_pages": 1, "page_count": 2})).encode(), "is not a page"),
        (json.dumps(body(members=None)).encode(), "members is not a list"),
        (json.dumps(body(members=[{"email": "marker@x"}])).encode(), "member 1 of the page"),
        (json.dumps(body(mixpanel_cohort_id=None)).encode(), "mixpanel_cohort_id"),
    ],
)
def test_what_no_retry_can_make_right_is_400_with_a_message_for_mixpanels_screen(
    server, sent, message
):
    answer = requests.post(server.url, data=sent, auth=AUTH, timeout=9)
    assert answer.status_code == 400
    failure = answer.json()
    assert failure["status"] == "failure"
    assert failure["error"]["code"] == 400
    assert message in failure["error"]["message"]
    assert "marker" not in answer.text


def test_an_empty_list_that_counts_no_pages_pauses_no_sync(server):
    nothing = body(page_info={"total_pages": 0, "page_count": 0}, members=[])
    assert requests.post(server.url, json=nothing, auth=AUTH, timeout=9).status_code == 200


@pytest.mark.parametrize("auth", [None, (USER, "wrong"), ("someone", PASSWORD), ("", "")])
def test_wrong_credentials_are_401_in_the_failure_form(server, auth):
    answer = requests.post(server.url, json=body(), auth=auth, timeout=9)
    assert (answer.status_code, answer.json()["status"]) == (401, "failure")


def test_an_empty_username_is_none_so_that_any_user_will_do(tmp_path):
    with inbox(f"sqlite:///{tmp_path}/inbox.db", "--username", "") as server:
        for user in (USER, "someone"):
            answer = requests.post(server.url, json=body(), auth=(user, PASSWORD), timeout=9)
            assert answer.status_code == 200


def test_a_body_over_ten_megabytes_is_413(server):
    answer = requests.post(server.url, data=b" " * 10_000_001, auth=AUTH, timeout=9)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)


def test_health_and_readiness_need_no_password(server):
    for path in ("health", "ready"):
        assert requests.get(server.url + path, timeout=9).json() == {"status": "ok"}


def test_trouble_of_ours_is_503_so_that_mixpanel_tries_again(server, tmp_path):
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as database:
        database.execute("ALTER TABLE members RENAME TO gone")
        database.execute("ALTER TABLE inbox RENAME TO gone_too")
        answer = requests.post(server.url, json=body(), auth=AUTH, timeout=9)
        assert (answer.status_code, answer.json()["status"]) == (503, "failure")
        assert requests.get(server.url + "ready", timeout=9).status_code == 503
        assert requests.get(server.url + "health", timeout=9).status_code == 200
    assert "marker" not in "".join(server.log)


@pytest.mark.slow
def test_fifty_pages_at_once_are_stored_within_five_seconds(server, tmp_path):
    sync = CohortSync(server.url, auth=AUTH, at_once=50)
    seconds = []
    for number in (1, 2, 3):  # another process may take this machine's time, but not always
        sync.cohort(number).people = {f"user-{n}": {} for n in range(50_000)}
        began = time.monotonic()
        assert sync.run(number)
        seconds.append(time.monotonic() - began)
        if seconds[-1] < 5:
            break
    assert min(seconds) < 5, seconds
    assert {status for status, _ in sync.answers} == {200}
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as database:
        count = 50_000 * len(seconds)
        assert database.execute("SELECT count(*) FROM members").fetchone() == (count,)


def test_several_processes_share_one_database(server, tmp_path):
    with inbox(f"sqlite:///{tmp_path}/inbox.db") as other:
        pages = [
            (
                (server.url, other.url)[number % 2],
                body(
                    page_info={"total_pages": 20, "page_count": number + 1},
                    members=[{"mixpanel_distinct_id": f"u{number}-{n}"} for n in range(100)],
                ),
            )
            for number in range(20)
        ]
        with ThreadPoolExecutor(10) as pool:
            answers = pool.map(
                lambda p: requests.post(p[0], json=p[1], auth=AUTH, timeout=30), pages
            )
            assert {answer.status_code for answer in answers} == {200}
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as database:
        assert database.execute("SELECT count(*) FROM members").fetchone() == (2000,)
        assert database.execute("SELECT is_complete FROM cohorts").fetchone() == (1,)


def test_sigterm_ends_it_well_and_each_call_is_a_line_of_the_log(server):
    requests.post(server.url, json=body(), auth=AUTH, timeout=9)
    assert server.stop() == 0
    time.sleep(0.1)
    line = next(json.loads(line) for line in server.log if '"push"' in line)
    assert {"cohort": "7", "page": 1, "members": 1, "status": 200}.items() <= line.items()


def refuse(*arguments, **secret):
    ended = subprocess.run(
        [BIN / "mixpanel-cohort-inbox", *arguments],
        capture_output=True,
        text=True,
        env=environment(**secret),
        timeout=30,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.strip().splitlines()


def test_a_port_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines = refuse("--inbox-db", f"sqlite:///{tmp_path}/i.db", "--port", port)
    assert (code, len(lines)) == (78, 1)
    assert f"Cannot listen on port {port} of 127.0.0.1" in lines[0]


def test_a_certificate_that_does_not_fit_its_key_is_one_line(tmp_path):
    authority = trustme.CA()
    certificate, other = authority.issue_cert("a.example"), authority.issue_cert("b.example")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")
    code, lines = refuse(
        *("--inbox-db", f"sqlite:///{tmp_path}/i.db", "--port", "0"),
        *("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"),
    )
    assert (code, len(lines)) == (78, 1)
    assert "does not match the key" in lines[0]


def test_it_serves_https_with_its_own_certificate(tmp_path):
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pem = str(tmp_path / "own.pem")
    with inbox(f"sqlite:///{tmp_path}/i.db", "--tls-cert", pem, "--tls-key", pem) as process:
        assert process.url.startswith("https://")
        answer = requests.post(
            process.url, json=body(), auth=AUTH, timeout=9, verify=str(tmp_path / "ca.pem")
        )
        assert answer.status_code == 200


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password():
    url = "postgresql://user:pw-secret-1@127.0.0.1:1/none"
    code, lines = refuse("--inbox-db", url, "--port", "0")
    assert code in {75, 78}
    assert len(lines) == 1
    assert "The inbox database cannot be used" in lines[0]
    assert "pw-secret-1" not in lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--inbox-db", "sqlite:////none/of/these/i.db"), "cannot be opened"),
        (("--inbox-db", "mysql://x/y"), "only sqlite and postgresql"),
        (("--inbox-db", "nonsense"), "must be a SQLAlchemy URL"),
        (("--inbox-db", "postgresql://x:abc/y"), "must be a SQLAlchemy URL"),
        (("--inbox-db", "sqlite:///file:x?mode=memory&uri=true"), "give a file"),
        (("--inbox-db", "sqlite:///i.db", "--username", "u"), "needs a password"),
        (("--inbox-db", "sqlite:///i.db", "--profile-properties", "x"), "must be a JSON list"),
        ((), "Missing option '--inbox-db'"),
    ],
)
def test_wrong_options_are_one_line(arguments, message):
    code, lines = refuse(*arguments, "--port", "0")
    assert (code, len(lines)) == (78, 1)
    assert message in lines[0]
