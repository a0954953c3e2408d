"""What is measured: each scenario is a pipeline of commands over one data set."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data import ROOT
from bench.measure import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.data import DataSet

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """Where one run reads, sends and leaves its files."""

    data: DataSet
    url: str
    scratch: Path
    tap_settings: Mapping[str, Any]
    target_settings: Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    name: str
    group: str
    """`tap`, `target` or `pair`: rows of one group are compared with each other."""
    role: str
    """`ordinary` (the group's 1.0), `sketch`, `ours` or `other`."""
    commands: Callable[[Place], list[Command]]
    from_lines: bool = False
    sends: bool = True


def _config(place: Place, name: str, settings: Mapping[str, Any]) -> str:
    path = place.scratch / f"{name}.json"
    path.write_text(json.dumps(settings))
    return str(path)


def _our_tap(place: Place) -> list[Command]:
    settings = {
        "storage_url": str(place.data.bucket),
        "settle_seconds": 0,
        **place.tap_settings,
    }
    config = _config(place, "tap", settings)
    return [Command("tap-braze-currents", [str(BIN / "tap-braze-currents"), "--config", config])]


def _our_target(place: Place) -> list[Command]:
    settings = {
        "api_url": place.url,
        "project_token": "token",
        "dead_letter_path": str(place.scratch / "dead_letter"),
        **place.target_settings,
    }
    config = _config(place, "target", settings)
    return [Command("target-mixpanel", [str(BIN / "target-mixpanel"), "--config", config])]


def _our_pair(place: Place) -> list[Command]:
    return [*_our_tap(place), *_our_target(place)]


def _our_pair_with_all_properties(place: Place) -> list[Command]:
    """Send all selected fields: no record takes the short way of the documented ones."""
    settings = {**place.target_settings, "property_set": "all"}
    (tap,), target = _our_tap(place), _our_target(replace(place, target_settings=settings))
    chosen = [*tap.argv, "--catalog", str(place.data.catalog)]
    return [replace(tap, argv=chosen), *target]


def _our_pair_with_maps(place: Place) -> list[Command]:
    maps = {"stream_maps": {"*": {"external_user_id": "md5(external_user_id)"}}}
    return _our_pair(replace(place, tap_settings={**place.tap_settings, **maps}))


def _our_pair_in_batches(place: Place) -> list[Command]:
    folder = place.scratch / "batches"
    folder.mkdir(exist_ok=True)
    batches = {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "none"},
            "storage": {"root": folder.as_uri(), "prefix": "bench-"},
        }
    }
    # The target reads only below the root of its own settings.
    tap, target = ({**known, **batches} for known in (place.tap_settings, place.target_settings))
    return _our_pair(replace(place, tap_settings=tap, target_settings=target))


def _meltano(place: Place) -> list[Command]:
    settings = {
        "TAP_BRAZE_CURRENTS": {
            "storage_url": str(place.data.bucket),
            "settle_seconds": 0,
            **place.tap_settings,
        },
        "TARGET_MIXPANEL": {
            "api_url": place.url,
            "project_token": "token",
            "dry_run": "false",
            "dead_letter_path": str(place.scratch / "dead_letter"),
            **place.target_settings,
        },
    }
    env = {
        f"{plugin}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for plugin, values in settings.items()
        for name, value in values.items()
    }
    # Its own database: neither state nor runs of the project's user are touched.
    env["MELTANO_DATABASE_URI"] = f"sqlite:///{place.scratch / 'meltano.db'}"
    argv = [str(BIN / "meltano"), "run", "--full-refresh", "tap-braze-currents", "target-mixpanel"]
    return [Command("meltano", argv, env, ROOT)]


def _python(name: str, module: str, *args: str) -> Command:
    return Command(name, [sys.executable, "-m", f"bench.baselines.{module}", *args], {}, ROOT)


def _ordinary_tap(*flags: str) -> Callable[[Place], list[Command]]:
    def commands(place: Place) -> list[Command]:
        config = _config(place, "ordinary-tap", {"storage_url": str(place.data.bucket)})
        return [_python("ordinary-tap", "sdk_tap", *flags, "--config", config)]

    return commands


def _ordinary_target(**more: Any) -> Callable[[Place], list[Command]]:  # noqa: ANN401
    def commands(place: Place) -> list[Command]:
        settings = {"api_url": place.url, "project_token": "token", **more}
        config = _config(place, "ordinary-target", settings)
        return [_python("ordinary-target", "sdk_target", "--config", config)]

    return commands


def _sketch_tap(place: Place) -> list[Command]:
    return [_python("sketch-tap", "sketch_tap", str(place.data.bucket))]


def _sketch_target(place: Place) -> list[Command]:
    return [_python("sketch-target", "sketch_target", place.url)]


def _pair(
    tap: Callable[[Place], list[Command]], target: Callable[[Place], list[Command]]
) -> Callable[[Place], list[Command]]:
    return lambda place: [*tap(place), *target(place)]


PAIR = Scenario("tap → target", "pair", "ours", _our_pair)
SCENARIOS = (
    Scenario("ordinary SDK tap", "tap", "ordinary", _ordinary_tap(), sends=False),
    Scenario("ordinary SDK tap, msgspec", "tap", "other", _ordinary_tap("--msgspec"), sends=False),
    Scenario(
        "ordinary SDK tap, msgspec, types unchecked",
        "tap",
        "other",
        _ordinary_tap("--unchecked"),
        sends=False,
    ),
    Scenario("bare sketch of a tap", "tap", "sketch", _sketch_tap, sends=False),
    Scenario("tap-braze-currents", "tap", "ours", _our_tap, sends=False),
    Scenario("ordinary SDK target", "target", "ordinary", _ordinary_target(), from_lines=True),
    Scenario(
        "ordinary SDK target, records unchecked",
        "target",
        "other",
        _ordinary_target(validate_records=False),
        from_lines=True,
    ),
    Scenario("bare sketch of a target", "target", "sketch", _sketch_target, from_lines=True),
    Scenario("target-mixpanel", "target", "ours", _our_target, from_lines=True),
    Scenario(
        "ordinary tap → ordinary target",
        "pair",
        "ordinary",
        _pair(_ordinary_tap(), _ordinary_target()),
    ),
    Scenario(
        "ordinary pair at its best (msgspec, unchecked)",
        "pair",
        "other",
        _pair(_ordinary_tap("--unchecked"), _ordinary_target(validate_records=False)),
    ),
    Scenario(
        "bare sketch of a tap → of a target", "pair", "sketch", _pair(_sketch_tap, _sketch_target)
    ),
    PAIR,
    Scenario("tap → target, BATCH messages", "pair", "ours", _our_pair_in_batches),
    Scenario(
        "tap → target, all properties of chosen fields",
        "pair",
        "ours",
        _our_pair_with_all_properties,
    ),
    Scenario("tap → target, a map on each stream", "pair", "ours", _our_pair_with_maps),
    Scenario("meltano run", "pair", "ours", _meltano),
)
