from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tap_braze_currents.tap import TapBrazeCurrents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_braze_currents.run.conditions import RunConditions


class Output:
    """What a tap wrote to standard output."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.messages = [json.loads(line) for line in text.splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Stream → its records, in their order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for message in self.of("RECORD"):
            found.setdefault(message["stream"], []).append(message["record"])
        return found

    @property
    def state(self) -> dict[str, Any]:
        return self.of("STATE")[-1]["value"]


def tap_of(*event_types: str) -> type[TapBrazeCurrents]:
    """Make a tap that knows few types: setting up all streams takes most of a small test's time."""

    class TapOfFewTypes(TapBrazeCurrents):
        def discover_streams(self):
            streams = super().discover_streams()
            return [stream for stream in streams if stream.event_type in event_types]

    return TapOfFewTypes


def make_tap(
    storage_url: object,
    *,
    tap_class: type[TapBrazeCurrents] = TapBrazeCurrents,
    catalog: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    conditions: RunConditions | None = None,
    **settings: Any,
) -> TapBrazeCurrents:
    config = {"storage_url": str(storage_url), "settle_seconds": 0, **settings}
    return tap_class(config=config, catalog=catalog, state=state, conditions=conditions)


@cache
def whole_catalog() -> str:
    """The catalog of all streams as JSON; each caller changes a copy of its own."""
    tap = TapBrazeCurrents(config={}, validate_config=False, setup_mapper=False)
    return json.dumps(tap.catalog_dict)


def catalog_of(
    *streams: str, without: Iterable[str] = (), only: Iterable[str] = ()
) -> dict[str, Any]:
    """Make a catalog with these streams selected, without some fields or with only some."""
    catalog: dict[str, Any] = json.loads(whole_catalog())
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            breadcrumb = metadata["breadcrumb"]
            if not breadcrumb:
                metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
            else:
                field = breadcrumb[-1]
                metadata["metadata"]["selected"] = field not in without and (
                    not only or field in only
                )
    return catalog


@pytest.fixture
def run_tap(capfdbinary) -> Callable[..., Output]:
    """Run a tap over a folder and return what it wrote."""

    def run(storage_url: object, **settings: Any) -> Output:
        capfdbinary.readouterr()
        make_tap(storage_url, **settings).sync_all()
        return Output(capfdbinary.readouterr().out.decode())

    return run
