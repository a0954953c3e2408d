"""The file of lines that a run appends to, in a store of each cloud."""

from __future__ import annotations

import json
import re

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.files.run_file import StoreRunFile
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.use import Use
from tests.braze_mixpanel.files.stores import NO_RETRIES
from tests.fakes.fake_buckets import Refusal

USE = Use("dead_letter_path", "path_options", writes=True)
SCHEMA = {"stream": "s", "schema": {}, "key_properties": []}


def letter_in(place, **options):
    return DeadLetter(place.url, "t", options={**place.options, **options})


def add(letter, *numbers):
    for number in numbers:
        letter.add("s", {"n": number}, schema=SCHEMA, reason="why")


def test_each_flush_writes_an_object_that_can_be_replayed_by_itself(any_cloud):
    letter = letter_in(any_cloud)
    add(letter, 1, 2)
    assert any_cloud.objects == {}
    letter.flush()
    assert [message["record"]["n"] for message in any_cloud.records()] == [1, 2]
    add(letter, 3)
    letter.close()
    assert [message["record"]["n"] for message in any_cloud.records()] == [1, 2, 3]
    names = list(any_cloud.objects)
    assert [re.sub(r"t-\d{8}T\d{6}Z-[0-9a-f]{8}", "t", name) for name in names] == [
        "dead/t-00001.jsonl",
        "dead/t-00002.jsonl",
    ]


def test_a_flush_without_new_lines_costs_no_request(any_cloud):
    letter = letter_in(any_cloud)
    letter.flush()
    add(letter, 1)
    letter.flush()
    letter.flush()
    letter.close()
    assert len(any_cloud.puts) == len(any_cloud.server.requests) == 1


def test_a_part_that_has_grown_large_is_written_at_once(s3):
    file = StoreRunFile(StoreFolder(s3.url, s3.options, USE), "t", part_bytes=10)
    file.write(b"12345\n")
    assert s3.puts == []
    file.write(b"67890\n")
    assert [put.body for put in s3.puts] == [b"12345\n67890\n"]


def test_objects_get_no_acl_and_the_type_of_their_lines(s3):
    letter = letter_in(s3)
    add(letter, 1)
    letter.close()
    headers = s3.puts[0].headers
    assert "x-amz-acl" not in headers
    assert headers["content-type"] == "application/x-ndjson"


def test_a_store_that_takes_nothing_raises_and_is_not_tried_again(any_cloud):
    any_cloud.server.refuse = lambda _: Refusal(503, "SlowDown")
    letter = letter_in(any_cloud, **NO_RETRIES)
    add(letter, 1)
    with pytest.raises(TemporaryError) as caught:
        letter.flush()
    asked = len(any_cloud.server.requests)
    assert "\n" not in str(caught.value)
    with pytest.raises(TemporaryError):
        letter.close()
    assert len(any_cloud.server.requests) == asked


def test_a_store_that_fails_for_a_moment_is_asked_again(any_cloud):
    answers = [Refusal(503, "SlowDown"), None]
    any_cloud.server.refuse = lambda _: answers.pop(0) if answers else None
    letter = letter_in(any_cloud)
    add(letter, 1)
    letter.close()
    assert len(any_cloud.records()) == 1


def test_a_missing_bucket_is_found_before_the_first_line(any_cloud):
    url = any_cloud.url.replace("company", "nobodys")
    letter = DeadLetter(url, "t", options=any_cloud.options)
    with pytest.raises(SettingsError, match=r"does not exist. Create it"):
        letter.check()


def test_credentials_that_the_service_does_not_know_are_found_before_the_first_line(s3):
    s3.server.refuse = lambda _: Refusal(403, "InvalidAccessKeyId")
    with pytest.raises(SettingsError, match="cannot be written with these credentials"):
        letter_in(s3).check()


def test_credentials_that_may_only_write_are_enough(s3):
    s3.server.refuse = lambda request: (
        Refusal(403, "AccessDenied") if request.method != "PUT" else None
    )
    letter = letter_in(s3)
    letter.check()
    add(letter, 1)
    letter.close()
    assert len(s3.objects) == 1


def test_a_refusal_names_the_setting_and_the_right_that_is_missing(s3):
    s3.server.refuse = lambda _: Refusal(403, "AccessDenied")
    letter = letter_in(s3)
    add(letter, 1)
    with pytest.raises(SettingsError, match=r"may not be written: .*the right to write below"):
        letter.flush()


def test_an_option_that_the_store_does_not_have_is_named(s3):
    with pytest.raises(SettingsError, match="path_options has no secrets for this dead_letter"):
        letter_in(s3, secrets="x").check()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://company/dead", "is not known: use s3://, gs://"),
        ("ftp://company/dead", "is not known"),
        ("hdfs://company/dead", "is not known"),
        ("s3:/company/dead", "is not known"),
        ("s3:company/dead", "is not known"),
        ("S3:/company", "is not known"),
        ("s3://", "names no bucket"),
        ("s3:///dead", "names no bucket"),
        ("gs://com pany/dead", "names no bucket"),
        ("s3://company/a//b", "empty, '.' or '..' part"),
        ("s3://company/../b", "empty, '.' or '..' part"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_line_with_the_setting(url, said):
    with pytest.raises(SettingsError) as caught:
        DeadLetter(url, "t")
    assert said in str(caught.value)
    assert "dead_letter_path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_url_is_a_folder_of_this_machine(tmp_path):
    letter = DeadLetter(f"file://{tmp_path}/dead", "t")
    add(letter, 1)
    letter.close()
    (path,) = (tmp_path / "dead").glob("*.jsonl")
    assert json.loads(path.read_text().splitlines()[1])["record"] == {"n": 1}
    assert path.stat().st_mode & 0o777 == 0o600
