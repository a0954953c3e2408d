"""Buckets whose files do not lie quite as Braze writes them."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.tap_braze_currents.conftest import catalog_of, make_tap
from tests.tap_braze_currents.planning.small_files import (
    ANY_OPEN,
    CATALOG,
    CUSTOM,
    FOLDER,
    STREAM,
    TAP,
    failing,
    ids,
    put,
    write,
)


@pytest.mark.parametrize(
    "place",
    [
        f"team-a/{ANY_OPEN}/date=2026-11-01-05/f.avro",
        f"{FOLDER}/f.avro",
        f"{FOLDER}/copies/2026/f.avro",
        f"{FOLDER}/{ANY_OPEN}/date=2026-11-01/f.avro",
        "loose/f.avro",
        "f.avro",
    ],
)
@pytest.mark.parametrize("start", [None, "2026-11-01"])
def test_files_beside_brazes_own_layout_are_read_too_and_once(tmp_path, run, place, start):
    put(tmp_path, 0)
    write(tmp_path / place, "beside")
    settings = {"start_date": start} if start else {}

    first = run(**settings)
    second = run(state=first.state, **settings)

    assert ids(first) == ["beside", "h0"]
    assert ids(second) == []


@pytest.mark.parametrize("below", ["f.avro", "2026/11/01/f.avro", "date=2026-11-01T05/f.avro"])
@pytest.mark.parametrize("start", [None, "2026-11-01"])
def test_files_of_a_type_that_lie_in_no_hour_are_reported(tmp_path, run, caplog, below, start):
    put(tmp_path, 0)
    write(tmp_path / FOLDER / ANY_OPEN / below, "lost")

    output = run(**({"start_date": start} if start else {}))

    assert ids(output) == ["h0"]
    assert "are not read: they are not in a folder of an hour" in caplog.text
    assert below.partition("/")[0] in caplog.text


def test_a_folder_of_a_day_is_not_sealed_before_the_day_is_over(tmp_path, run):
    put(tmp_path, 48)
    write(tmp_path / FOLDER / ANY_OPEN / "date=2026-11-01" / "a.avro", "a")
    first = run(lookback_hours=30)
    write(tmp_path / FOLDER / ANY_OPEN / "date=2026-11-01" / "b.avro", "b")

    assert ids(first) == ["a", "h48"]
    assert ids(run(lookback_hours=30, state=first.state)) == ["b"]


def test_a_flat_folder_is_listed_in_a_few_calls(tmp_path):
    for number in range(40):
        write(tmp_path / f"{number}.avro", str(number))
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    real, calls = tap.bucket.store.list_folder, []

    def ls(path, *args, **options):
        calls.append(path)
        return real(path, *args, **options)

    tap.bucket.store.list_folder = ls
    tap.sync_all()

    assert len(calls) <= 3


def test_flat_files_that_concern_no_selected_stream_are_opened_once(tmp_path, run_tap):
    write(tmp_path / "open.avro", "a")
    write(tmp_path / "custom.avro", "b", CUSTOM)
    only_open = {"catalog": catalog_of(STREAM, only=["id"])}
    first = run_tap(tmp_path, tap_class=TAP, **only_open)
    tap = make_tap(tmp_path, tap_class=TAP, state=json.loads(json.dumps(first.state)), **only_open)
    real, opened = tap.bucket.store.read, []

    def cat_file(path, *args, **options):
        opened.append(path)
        return real(path, *args, **options)

    tap.bucket.store.read = cat_file
    tap.sync_all()
    later = run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=tap.state)

    assert ids(first) == ["a"]
    assert opened == []
    assert ids(later) == ["b"]


NAMES = ["20261101_100000_00037_unload", "part-00000", "events.avro.bak", "x.json", "e.deflate"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zipped", [False, True])
def test_an_avro_file_in_the_folder_of_an_hour_is_read_whatever_its_name(
    tmp_path, run, name, zipped
):
    path = put(tmp_path, 0)
    odd = write(path.parent / name, "odd")
    if zipped:
        odd.write_bytes(gzip.compress(odd.read_bytes()))

    first = run()

    assert ids(first) == ["h0", "odd"]
    assert ids(run(state=first.state)) == []


def test_a_file_without_ending_that_is_broken_is_read_when_it_is_whole(tmp_path, run):
    path = write(put(tmp_path, 0).parent / "unload", "odd")
    put(tmp_path, 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    state = failing(tmp_path)
    path.write_bytes(whole)

    assert ids(run(state=state)) == ["odd"]


@pytest.mark.parametrize("name", ["notes.txt", "data.parquet", "README"])
def test_a_file_of_another_form_in_the_folder_of_an_hour_is_named_once(tmp_path, run, caplog, name):
    other = put(tmp_path, 0).parent / name
    other.write_bytes(b"PAR1 or text")

    first = run()
    assert ids(first) == ["h0"]
    assert f"{other} is skipped: it is neither Avro nor JSON." in caplog.text
    caplog.clear()
    assert ids(run(state=first.state)) == []
    assert name not in caplog.text


def test_marks_of_other_tools_in_the_folder_of_an_hour_are_left_alone(tmp_path, run, caplog):
    folder = put(tmp_path, 0).parent
    for name in ("_SUCCESS", ".part.avro.crc", "_committed_1"):
        (folder / name).write_bytes(b"{}")
    (folder / "$folder$").write_bytes(b"")

    assert ids(run()) == ["h0"]
    assert "passed over" not in caplog.text
