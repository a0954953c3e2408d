"""What is read ahead, and how a read that breaks goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from tap_braze_currents.bucket import reading_ahead as prefetch
from tap_braze_currents.bucket.layout import FileKey
from tap_braze_currents.bucket.reading_ahead import fetch_ahead, read_object
from tap_braze_currents.bucket.store import RemoteFile

MEGABYTE = 1 << 20


def files_of(*sizes):
    for number, size in enumerate(sizes):
        yield "type", RemoteFile(FileKey("", "", str(number)), str(number), size)


@pytest.mark.parametrize(
    ("size", "ahead"),
    [
        pytest.param(12 * MEGABYTE, 8, id="eight files of 100,000 events"),
        pytest.param(1000, 64, id="small files"),
        pytest.param(40 * MEGABYTE, 2, id="as many as fit"),
        pytest.param(500 * MEGABYTE, 1, id="one that does not fit"),
        pytest.param(None, 64, id="sizes missing in the listing"),
    ],
)
def test_files_are_fetched_ahead_within_a_number_and_a_budget_of_bytes(size, ahead):
    begun: list[str] = []
    taken = []
    with ThreadPoolExecutor(1) as pool:
        for fetched in fetch_ahead(
            files_of(*[size] * 80), lambda file: begun.append(file.path) or b"", pool
        ):
            taken.append(fetched.file.path)
            pool.submit(int).result()  # what was submitted before it has been done
            assert len(begun) == min(80, len(taken) + ahead)

    assert taken == begun == [str(number) for number in range(80)]


class Store:
    """A store of one object, whose reads fail at chosen points."""

    def __init__(self, content, *errors):
        self.content = content
        self.errors = list(errors)
        self.reads: list[tuple[int | None, int | None]] = []

    def read(self, path, start=None, end=None):
        self.reads.append((start, end))
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return self.content[start:end]


def read(store, size):
    file = RemoteFile(FileKey("", "", "x"), "x", size)
    return bytes(read_object(SimpleNamespace(store=store), file, first_wait=0.0))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(prefetch, "PIECE_BYTES", 10)


def test_a_large_read_that_breaks_is_resumed_where_it_was():
    store = Store(b"0123456789abcdefghijKLMNO", None, ConnectionError("connection reset"))

    assert read(store, 25) == store.content
    assert store.reads == [(0, 10), (10, 20), (10, 20), (20, 25)]


@pytest.mark.parametrize("size", [5, None])
def test_a_small_read_that_breaks_is_repeated(size):
    store = Store(b"01234", TimeoutError("timed out"))

    assert read(store, size) == store.content
    assert len(store.reads) == 2


def test_an_object_that_is_shorter_than_it_was_listed_is_given_as_it_is():
    assert read(Store(b"0123456789abc"), 35) == b"0123456789abc"


def test_reading_gives_up_after_some_attempts_and_at_once_where_no_attempt_helps():
    gone = Store(b"", *[ConnectionError("connection refused")] * 9)
    refused = Store(b"", PermissionError("access denied"))

    with pytest.raises(TemporaryError, match="Run again later"):
        read(gone, 5)
    with pytest.raises(SettingsError, match="may not be read"):
        read(refused, 5)
    assert (len(gone.reads), len(refused.reads)) == (5, 1)
