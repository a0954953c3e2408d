"""The dead letter of a run in a store of each cloud."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import TemporaryError
from braze_mixpanel.stores.folder import StoreFolder
from tests.braze_mixpanel.files.stores import NO_RETRIES, SCHEMES, cloud
from tests.fakes.fake_buckets import Refusal
from tests.target_braze_cohorts.harness import Crash, full, run


@pytest.mark.parametrize("scheme", SCHEMES)
def test_refused_members_go_to_a_store(scheme, braze, tmp_path):
    braze.malformed = {"b"}
    with cloud(scheme) as place:
        changes = {"dead_letter_path": place.url, "path_options": place.options}
        done = run(braze, tmp_path, full({1: ["a", "b", "c"]}), **changes).ok()
        assert [letter["record"]["distinct_id"] for letter in place.records()] == ["b"]
    assert place.url in done.stderr
    assert not (tmp_path / "dead_letter").exists()


def test_no_state_passes_while_the_store_does_not_take_the_dead_letter(braze, tmp_path):
    braze.malformed = {"b"}
    with cloud() as place:
        place.server.refuse = lambda one: Refusal(503, "SlowDown") if one.method == "PUT" else None
        options = {**place.options, **NO_RETRIES}
        changes = {"dead_letter_path": place.url, "path_options": options}
        done = run(braze, tmp_path, full({1: ["a", "b", "c"]}), **changes)
    assert isinstance(done.error, TemporaryError)
    assert done.stdout == ""


@pytest.mark.parametrize("is_written", [False, True])
def test_refused_members_are_in_the_store_after_a_kill_and_another_run(
    is_written, braze, tmp_path, monkeypatch
):
    braze.malformed = {"b"}
    people = full({1: ["a", "b", "c"]})
    with cloud() as place:
        changes = {"dead_letter_path": place.url, "path_options": place.options}
        write = StoreFolder.write

        def die(*arguments):
            if is_written:
                write(*arguments)
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(StoreFolder, "write", die)
            killed = run(braze, tmp_path, people, **changes)
        assert isinstance(killed.error, Crash)
        assert killed.stdout == ""
        run(braze, tmp_path, people, **changes).ok()
        assert {letter["record"]["distinct_id"] for letter in place.records()} == {"b"}
