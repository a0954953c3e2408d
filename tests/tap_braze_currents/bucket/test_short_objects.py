"""Objects that are empty, or shorter than they were listed."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from braze_mixpanel.errors import InputError
from braze_mixpanel.stores.service_answers import ServiceError
from tap_braze_currents.bucket import reading_ahead as prefetch
from tap_braze_currents.bucket.layout import FileKey
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.bucket.store import RemoteFile
from tests.currents_generator import file_key, generate
from tests.tap_braze_currents.conftest import make_tap, tap_of

OPEN = "users.messages.email.Open"


class Store:
    """A store of one object that answers as object stores do."""

    def __init__(self, content):
        self.content = content
        self.requests = 0

    def read(self, path, start=None, end=None):
        self.requests += 1
        if start is not None and start >= len(self.content):
            raise ServiceError("not satisfiable", "416")
        return self.content[start:end]


def read(store, listed_size, size=None):
    file = RemoteFile(FileKey("", "", "x"), "x", listed_size)
    return bytes(read_object(SimpleNamespace(store=store), file, size))


@pytest.mark.parametrize("size", [None, 100])
def test_an_empty_object_is_not_requested(size):
    store = Store(b"")

    assert read(store, 0, size) == b""
    assert store.requests == 0


def test_a_beginning_of_an_object_that_has_become_empty_is_empty():
    store = Store(b"")

    assert read(store, 50, size=100) == b""
    assert store.requests == 1


def test_an_object_that_was_replaced_by_a_shorter_one_ends_where_that_one_ends(monkeypatch):
    monkeypatch.setattr(prefetch, "PIECE_BYTES", 10)
    store = Store(b"0123456789")

    assert read(store, 35) == b"0123456789"
    assert store.requests == 2


@pytest.mark.parametrize(
    "path", [file_key(OPEN, datetime(2026, 11, 1, tzinfo=timezone.utc)), "flat.avro"]
)
def test_an_empty_file_is_told_as_broken(tmp_path, path):
    generate(tmp_path, events=2, types=[OPEN])
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).touch()

    with pytest.raises(InputError, match="avro: it is empty"):
        make_tap(tmp_path, tap_class=tap_of(OPEN)).sync_all()
