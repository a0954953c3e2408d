"""SIGTERM while the tap waits, asks or writes, and while the inbox takes a page."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from base64 import b64encode
from urllib.parse import urlsplit

import pytest

from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import Answer, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import (
    BIN,
    PASSWORD,
    USER,
    apply,
    environment,
    inbox,
    messages_of,
    run_tap,
)


@pytest.fixture
def mixpanel():
    with MixpanelQueryApi() as server:
        server.put(1, "First", ["a", "b"])
        server.put(2, "Second", ["c"])
        yield server


@pytest.fixture
def start(tmp_path):
    started = []

    def start(config):
        (tmp_path / "tap.json").write_text(json.dumps(config))
        process = subprocess.Popen(
            [BIN / "tap-mixpanel-cohorts", "--config", tmp_path / "tap.json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment(),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def stop(process):
    """Send SIGTERM; gives the exit code, the messages and the log, and the seconds it took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=60)
    return process.returncode, messages_of(out), log.decode(), time.monotonic() - began


def test_a_wait_for_the_limit_ends_at_once_and_what_is_complete_was_sent(mixpanel, start):
    limit = Answer(429, {"error": "limit"}, {"Retry-After": "300"})
    mixpanel.fail(limit, page=0, cohort=2, times=9)
    process = start({"api_url": mixpanel.url, **mixpanel.account})
    wait_until(lambda: mixpanel.pages(2))
    time.sleep(0.3)
    code, messages, log, seconds = stop(process)
    assert code == 143
    assert seconds < 30
    assert [m["record"]["id"] for m in messages if m.get("stream") == "cohorts" and "record" in m]
    assert messages[-1]["type"] == "STATE"
    assert "retrying in 300 s" in log
    assert log.count("ERROR") == 1
    assert "Stopped by a signal" in log


def test_pages_that_do_not_come_are_not_waited_for(mixpanel, start):
    mixpanel.put(1, "First", [f"u{number}" for number in range(500)])
    process = start({"api_url": mixpanel.url, **mixpanel.account, "page_size": 100})
    mixpanel.faults.append(lambda asked: setattr(mixpanel, "seconds", 60.0 * (asked.page > 0)))
    wait_until(lambda: 4 in mixpanel.pages(1))
    code, messages, _, seconds = stop(process)
    assert code == 143
    assert seconds < 30
    assert not any(message["type"] == "RECORD" for message in messages)


def test_a_list_that_is_being_written_ends_between_two_lines(tmp_path, start):
    db = f"sqlite:///{tmp_path}/inbox.db"
    with inbox(db) as server:
        sync = CohortSync(server.url, auth=(USER, PASSWORD))
        sync.cohort(1).people = {f"u{number}": {} for number in range(20_000)}
        assert sync.run(1)
    process = start({"inbox_db": db})
    first = process.stdout.readline()  # and then the pipe fills up
    assert json.loads(first)["type"] == "SCHEMA"
    process.stdout.readline()
    code, messages, log, _ = stop(process)
    assert code == 143
    assert "Stopped by a signal" in log
    assert not any(message["type"] == "STATE" for message in messages)
    known = {}
    apply(run_tap(tmp_path, {"inbox_db": db}).ok(), known)
    assert len(known[1]) == 20_000


def test_the_inbox_answers_the_page_that_is_coming_before_it_ends(tmp_path):
    db = f"sqlite:///{tmp_path}/inbox.db"
    parameters = {
        "mixpanel_project_id": 1,
        "mixpanel_cohort_id": 7,
        "mixpanel_cohort_name": "VIP",
        "mixpanel_session_id": "s",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [{"mixpanel_distinct_id": f"u{number}"} for number in range(1000)],
    }
    body = json.dumps({"action": "members", "parameters": parameters}).encode()
    basic = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with inbox(db) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port), 20) as slow:
            slow.sendall(head + body[:100])
            time.sleep(0.3)
            server.process.terminate()
            time.sleep(0.5)
            slow.sendall(body[100:])
            assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.process.wait(20) == 0
    known = {}
    apply(run_tap(tmp_path, {"inbox_db": db}).ok(), known)
    assert len(known[7]) == 1000
