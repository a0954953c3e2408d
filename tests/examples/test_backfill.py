"""A backfill in parts by day and group of streams holds what one run would have given."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.end_to_end.project import events_held
from tests.examples.orchestrators import project_with_parts
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT, native_streams

SCRIPT = ROOT / "examples" / "backfill" / "parts.py"
DAYS = ("2026-11-01", "2026-11-03")


def load():
    spec = importlib.util.spec_from_file_location("parts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parts = load()


def test_the_parts_cover_every_day_once_and_have_names_of_their_own():
    made = parts.parts("2026-10-31", "2026-11-02")
    assert len({part["name"] for part in made}) == len(made) == 2 * len(parts.GROUPS)
    assert {(part["config"]["start_date"], part["config"]["end_date"]) for part in made} == {
        ("2026-10-31", "2026-11-01"),
        ("2026-11-01", "2026-11-02"),
    }


def test_every_native_stream_is_in_exactly_one_group():
    prefixes = [
        pattern.removesuffix("*.*") for patterns in parts.GROUPS.values() for pattern in patterns
    ]
    for stream in native_streams():
        assert sum(stream.startswith(prefix) for prefix in prefixes) == 1, stream


def select(project, patterns):
    """Select streams as `meltano select` does, which takes only one pattern a run."""
    path = project.folder / "meltano.yml"
    config = yaml.safe_load(path.read_text("utf-8"))
    (tap,) = (one for one in config["plugins"]["extractors"] if one["name"] == parts.TAP)
    tap["select"] = patterns
    path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")


@pytest.mark.slow
def test_parts_that_run_in_parallel_give_what_one_run_gives(tmp_path):
    selected = [pattern for patterns in parts.GROUPS.values() for pattern in patterns]
    with FakeMixpanel() as one, FakeMixpanel() as several:
        whole = project_with_parts(tmp_path / "one", one)
        (whole.folder / "parts.meltano.yml").write_text("plugins: {}\n")
        select(whole, selected)
        result = whole.meltano("run", "tap-braze-currents", "target-mixpanel")
        assert result.returncode == 0, result.stderr[-3000:]

        split = project_with_parts(tmp_path / "several", several)
        text = subprocess.run(
            [sys.executable, SCRIPT, *DAYS], check=True, capture_output=True, text=True
        ).stdout
        (split.folder / "parts.meltano.yml").write_text(text, "utf-8")
        names = [part["name"] for part in parts.parts(*DAYS)]
        split.meltano("state", "list")  # makes the database once, before several want to
        with ThreadPoolExecutor(3) as pool:
            ended = list(
                pool.map(lambda name: split.meltano("run", name, "target-mixpanel"), names)
            )
        assert [result.returncode for result in ended] == [0] * len(names), [
            result.stderr[-1500:] for result in ended if result.returncode
        ]
        assert events_held(several) == events_held(one)
        assert several.accepted == one.accepted > 1000
        states = split.meltano("--environment", "dev", "state", "list").stdout.split()
    assert set(states) == {f"dev:{name}-to-target-mixpanel" for name in names}
