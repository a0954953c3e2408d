"""`python -m braze_mixpanel.files`: dead letters come back to where they can be sent again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.braze_mixpanel.files.stores import SCHEMES, cloud
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import open_record, opens, record, run, schema, state

BROKEN = b"".join(record(open_record(number, time=None)) for number in range(100, 130))
SOURCE = schema() + opens(3) + BROKEN + state(1)


def print_files(start, options=None):
    return subprocess.run(
        [sys.executable, "-m", "braze_mixpanel.files", start],
        env={"PATH_OPTIONS": json.dumps(options or {}), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rejected_records_are_replayed_from_a_store(scheme, tmp_path):
    with FakeMixpanel() as mixpanel, cloud(scheme) as place:
        first = run(
            SOURCE,
            mixpanel,
            tmp_path,
            dead_letter_path=place.url,
            path_options=place.options,
            max_rejected_ratio=1,
        )
        assert first.error is None
        assert len(place.records()) == 30
        printed = print_files(f"{place.url}/target-mixpanel-", place.options)
        assert printed.returncode == 0, printed.stderr
        # With the cause fixed, the same lines are delivered.
        fixed = printed.stdout.replace(b'"time":null', b'"time":1790000000')
        again = run(fixed, mixpanel, tmp_path)
        assert again.error is None
        assert mixpanel.count == 33
    assert not (tmp_path / "dead_letter").exists()


def test_rejected_records_are_replayed_from_a_folder(tmp_path):
    with FakeMixpanel() as mixpanel:
        run(SOURCE, mixpanel, tmp_path, max_rejected_ratio=1)
    for start in (tmp_path / "dead_letter", tmp_path / "dead_letter" / "target-mixpanel-"):
        assert print_files(str(start)).stdout.count(b'"RECORD"') == 30


def test_nothing_found_and_wrong_options_are_one_line(tmp_path):
    missing = print_files(f"{tmp_path}/nothing")
    assert (missing.returncode, missing.stderr.count(b"\n")) == (65, 1)
    wrong = print_files("s3://company/dead/", ["no", "object"])
    assert (wrong.returncode, wrong.stderr.count(b"\n")) == (78, 1)
    with cloud() as place:
        secret = {**place.options, "secret": "made up secret value"}
        refused = print_files(f"{place.url}/", secret)
    assert refused.returncode == 78
    assert b"made up secret value" not in refused.stderr
