"""Looking into the newest files goes on where one of them may not be read."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError
from tap_braze_currents.bucket.local_folder import LocalFolder
from tests.currents_generator import generate, write_file
from tests.tap_braze_currents.conftest import make_tap

OPEN = "users.messages.email.Open"
NEW = "users.messages.telepathy.Send"


@pytest.fixture
def denied(monkeypatch):
    """Paths with one of these words in them may not be read."""
    words: list[str] = []
    read = LocalFolder.read

    def refuse(self, path, *args, **options):
        if any(word in path for word in words):
            raise PermissionError("AccessDenied")
        return read(self, path, *args, **options)

    monkeypatch.setattr(LocalFolder, "read", refuse)
    return words


@pytest.fixture
def bucket(tmp_path):
    generate(tmp_path, events=2, types=[OPEN])
    schema = {"type": "record", "name": NEW, "fields": [{"name": "id", "type": "string"}]}
    write_file(tmp_path / "new.avro", NEW, [{"id": "a"}], schema=schema)
    return tmp_path


def test_a_file_that_may_not_be_read_costs_only_its_own_type(bucket, denied, caplog):
    denied.append(OPEN)

    streams = make_tap(bucket).streams

    assert "id" in streams["users_messages_telepathy_send"].schema["properties"]
    assert "The catalog lacks the event types and fields of one file" in caplog.text
    assert f"event_type={OPEN}" in caplog.text


def test_a_bucket_of_which_no_file_may_be_read_fails_the_test_of_the_connection(bucket, denied):
    denied.append(str(bucket))

    with pytest.raises(SettingsError, match="may not be read"):
        make_tap(bucket).run_connection_test()
