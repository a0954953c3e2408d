"""JSON files with events of several types: each selected stream reads its own, once."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tap_braze_currents.conftest import Output, catalog_of, make_tap, tap_of

TYPES = [f"users.messages.email.{name}" for name in ("Send", "Open", "Click", "Bounce")]
STREAMS = [name.replace(".", "_").lower() for name in TYPES]


def write(folder, name, types):
    lines = [json.dumps({"event_type": one, "id": f"{name} {one}", "time": 1}) for one in types]
    (folder / f"{name}.json").write_text("\n".join(lines))


def run(folder, capfdbinary, streams, state=None) -> Output:
    capfdbinary.readouterr()
    make_tap(folder, tap_class=tap_of(*TYPES), catalog=catalog_of(*streams), state=state).sync_all()
    return Output(capfdbinary.readouterr().out.decode())


@given(
    runs=st.lists(
        st.tuples(
            st.lists(st.sampled_from(STREAMS), min_size=1, unique=True),
            st.lists(st.lists(st.sampled_from(TYPES), min_size=1, unique=True), max_size=2),
        ),
        min_size=2,
        max_size=4,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_selected_run_by_run_each_stream_gets_its_events_once(
    tmp_path_factory, capfdbinary, runs
):
    folder = tmp_path_factory.mktemp("mixed")
    written: list[tuple[str, list[str]]] = [("first", TYPES[:2])]
    write(folder, *written[0])
    received: list[str] = []
    state = None
    chosen: set[str] = set()
    for streams, files in runs:
        for types in files:
            written.append((f"f{len(written)}", types))
            write(folder, *written[-1])
        output = run(folder, capfdbinary, streams, state)
        state = output.state or state
        received += [message["record"]["id"] for message in output.of("RECORD")]
        chosen = set(streams)
        due = [
            f"{name} {one}"
            for name, types in written
            for one, stream in zip(TYPES, STREAMS, strict=True)
            if one in types and stream in chosen
        ]
        assert set(due) <= set(received)
    assert len(received) == len(set(received))


def test_a_file_is_not_opened_again_when_the_stream_that_remembered_its_types_is_gone(
    tmp_path, capfdbinary, monkeypatch
):
    write(tmp_path, "a", TYPES)
    first = run(tmp_path, capfdbinary, STREAMS)
    second = run(tmp_path, capfdbinary, STREAMS[1:], first.state)  # asks the file once more
    opened = []
    monkeypatch.setattr(
        "tap_braze_currents.planning.files_by_path.look_into",
        lambda bucket, file: opened.append(file) or [],
    )
    third = run(tmp_path, capfdbinary, STREAMS[1:], second.state)
    assert [len(output.of("RECORD")) for output in (first, second, third)] == [4, 0, 0]
    assert opened == []


def test_the_state_of_a_file_grows_with_its_types_not_with_their_square(tmp_path, capfdbinary):
    write(tmp_path, "a", TYPES)
    state = run(tmp_path, capfdbinary, STREAMS).state
    remembered = [
        entry["event_types"] for stream in STREAMS for entry in state["bookmarks"][stream]["shared"]
    ]
    assert sorted(map(len, remembered)) == [0, 0, 0, 4]
