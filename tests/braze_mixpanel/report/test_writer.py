"""A report never decides how a run ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.fakes.fake_braze import FakeBraze
from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import opens, run, schema, state

if TYPE_CHECKING:
    from pathlib import Path


class PanicException(BaseException):
    """As a library in Rust raises it: it is no `Exception`."""


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def panic(*_: object, **__: object) -> None:
    raise PanicException("called `Option::unwrap()` on a `None` value")


def without_words(*_: object, **__: object) -> None:
    raise MemoryError


FAULTS = {
    "a full disk": ("tempfile.mkstemp", full_disk, "No space left"),
    "a panic in the chart": ("braze_mixpanel.report.chart.draw", panic, "Option::unwrap"),
    "no memory for the chart": ("braze_mixpanel.report.chart.draw", without_words, "MemoryError"),
    "a fault in the page": ("target_mixpanel.target.make_page", full_disk, "No space left"),
}


@pytest.mark.parametrize("place", ["run.html", "kept/"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_delivered_is_good_whatever_happens_to_its_report(
    mixpanel, tmp_path: Path, monkeypatch, caplog, fault: str, place: str
) -> None:
    name, fail, words = FAULTS[fault]
    monkeypatch.setattr(name, fail)
    source = schema() + opens(2) + state(1)
    result = run(source, mixpanel, tmp_path, report_path=f"{tmp_path}/{place}")
    assert result.error is None
    assert len(result.states) == 1
    assert mixpanel.count == 2
    (warning,) = [one for one in caplog.messages if "No report was written" in one]
    assert words in warning


def test_a_run_of_cohorts_is_good_whatever_happens_to_its_report(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("target_braze_cohorts.target.make_page", panic)
    with FakeBraze() as braze:
        lists = cohorts.full({1: ["anna"]})
        result = cohorts.run(braze, tmp_path, lists, report_path=f"{tmp_path}/run.html").ok()
        assert braze.members("1") == {"anna"}
    assert "No report was written" in result.stderr


def test_a_run_that_failed_keeps_its_own_error(mixpanel, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("target_mixpanel.target.make_page", panic)
    path = f"{tmp_path}/run.html"
    wrong = {"service_account_password": "wrong-one"}
    result = run(schema() + opens(2), mixpanel, tmp_path, report_path=path, **wrong)
    assert "401" in str(result.error)


def test_a_store_that_is_gone_costs_the_report_alone(mixpanel, tmp_path: Path, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    options = {"key": "k", "secret": "s", "endpoint_url": endpoint, "region": "eu-central-1"}
    path = "s3://bucket/reports/"
    result = run(schema() + opens(2), mixpanel, tmp_path, report_path=path, path_options=options)
    assert result.error is None
    assert mixpanel.count == 2
    assert "No report was written" in caplog.text
