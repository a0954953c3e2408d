"""Files of a run that go to a store of each cloud: dry runs, reports, dead letters."""

from __future__ import annotations

import pytest
from singer_sdk.exceptions import ConfigValidationError

from braze_mixpanel.errors import SettingsError, TemporaryError
from target_mixpanel.target import TargetMixpanel
from tests.braze_mixpanel.files.stores import NO_RETRIES
from tests.fakes.fake_buckets import Refusal
from tests.target_mixpanel.harness import open_record, opens, record, run, schema, settings, state

REJECTED = record(open_record(9, time=None))
SOURCE = schema() + opens(3) + REJECTED + state(1)


def test_a_dry_run_and_its_rejected_records_go_to_a_store(any_cloud, tmp_path):
    changes = {"dry_run_path": any_cloud.url, "path_options": any_cloud.options}
    assert run(SOURCE, None, tmp_path, dry_run=True, **changes).error is None
    rejected, events = sorted(any_cloud.objects, key=lambda name: "/rejected/" not in name)
    assert rejected.startswith("dead/rejected/target-mixpanel-")
    assert events.startswith("dead/target-mixpanel-")
    assert len(any_cloud.objects[events].splitlines()) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_report_goes_to_a_store_and_the_next_run_overwrites_it(any_cloud, mixpanel, tmp_path):
    changes = {"report_path": f"{any_cloud.url}/run.html", "path_options": any_cloud.options}
    for _ in range(2):
        assert run(SOURCE, mixpanel, tmp_path, **changes).error is None
    assert list(any_cloud.objects) == ["dead/run.html"]
    assert b"Events to Mixpanel" in any_cloud.objects["dead/run.html"]
    headers = any_cloud.puts[0].headers
    kind = headers.get("x-ms-blob-content-type") or headers["content-type"]
    assert kind.startswith("text/html")


def test_no_state_passes_while_the_store_does_not_take_the_dead_letter(s3, mixpanel, tmp_path):
    s3.server.refuse = lambda asked: Refusal(503, "SlowDown") if asked.method == "PUT" else None
    result = run(
        SOURCE,
        mixpanel,
        tmp_path,
        dead_letter_path=s3.url,
        path_options={**s3.options, **NO_RETRIES},
    )
    assert isinstance(result.error, TemporaryError)
    assert result.states == []


def test_a_store_that_cannot_be_used_is_found_before_anything_is_sent(s3, mixpanel, tmp_path):
    changes = {"dead_letter_path": "s3://nobodys/dead", "path_options": s3.options}
    result = run(SOURCE, mixpanel, tmp_path, **changes)
    assert isinstance(result.error, SettingsError)
    assert mixpanel.count == 0
    with pytest.raises(SettingsError):
        TargetMixpanel(config=settings(mixpanel, tmp_path, **changes)).check()


@pytest.mark.parametrize("name", ["dead_letter_path", "dry_run_path", "report_path"])
@pytest.mark.parametrize("url", ["http://company/x", "s3:/company/x", "ftp://x", "s3://"])
def test_any_other_url_is_a_mistake_in_the_settings(name, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigValidationError) as caught:
        TargetMixpanel(
            config=settings(None, tmp_path, dry_run=name == "dry_run_path", **{name: url})
        )
    (line,) = caught.value.errors
    assert name in line
    assert list(tmp_path.iterdir()) == []


def test_reports_are_kept_below_a_prefix_with_a_page_about_all_runs(
    any_cloud, mixpanel, tmp_path
) -> None:
    changes = {"report_path": f"{any_cloud.url}/", "path_options": any_cloud.options}
    for _ in range(2):
        assert run(SOURCE, mixpanel, tmp_path, **changes).error is None
    pages = [name for name in any_cloud.objects if name.endswith(".html")]
    assert len(pages) == 3
    index = any_cloud.objects["dead/index.html"].decode()
    for name in pages:
        assert name == "dead/index.html" or name.removeprefix("dead/") in index
