"""A file below the prefix that is passed over is named; a mark of another tool is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.errors import ConnectorError
from tap_braze_currents.bucket.objects import StoredObject
from tap_braze_currents.bucket.passed_over import PassedOver
from tests.tap_braze_currents.conftest import make_tap, tap_of

if TYPE_CHECKING:
    from pathlib import Path

TYPE = "users.messages.email.Open"
INTEGRATION = "dataexport.prod-01.S3.integration.abc"
OF_TYPE = f"{INTEGRATION}/event_type={TYPE}"
HOUR = f"{OF_TYPE}/date=2026-11-01-10/1/z"
EVENT = b'{"event_type": "%s", "id": "a", "time": 1762000000}\n' % TYPE.encode()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("unload", 1),
        ("notes.txt", 1),
        ("copy/unload", 1),
        (f"{OF_TYPE}/unload", 1),
        (f"{HOUR}/.open.avro", 1),
        (f"{HOUR}/_open.json", 1),
        (f"{HOUR}/_SUCCESS", 0),
        ("copy/.keep", 0),
        (f"{HOUR}/unload", 0),
        ("copy/unload.json", 0),
    ],
)
def test_a_file_that_is_not_read_is_named_unless_it_is_a_mark(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, named: int
) -> None:
    for name in (f"{HOUR}/{INTEGRATION}+0+1.json", path):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(EVENT)
    make_tap(tmp_path, tap_class=tap_of(TYPE)).sync_all()
    lines = [line for line in caplog.text.splitlines() if "Passed over" in line]
    assert [path in line for line in lines] == [True] * named


def test_a_bucket_of_nothing_else_is_refused_with_their_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "unload").write_bytes(EVENT)
    with pytest.raises(ConnectorError, match="holds no Currents files"):
        make_tap(tmp_path, tap_class=tap_of(TYPE)).sync_all()
    assert f"{tmp_path}/unload" in caplog.text


def test_many_files_are_counted_and_a_few_named() -> None:
    passed_over = PassedOver()
    for number in range(7):
        passed_over.add(StoredObject(f"b/{number}.txt", 1, None))
    passed_over.add(StoredObject("b/folder", 0, None))
    words = passed_over.in_words()
    assert words is not None
    assert "b/0.txt, b/1.txt, b/2.txt, b/3.txt, b/4.txt and 2 more" in words
