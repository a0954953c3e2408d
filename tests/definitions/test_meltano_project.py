"""meltano.yml as a user meets it."""

from __future__ import annotations

import json
from importlib import resources

import yaml

from tap_braze_currents.catalog.event_types import registry
from tools.definitions import ROOT

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))


def environment(name):
    return next(entry for entry in PROJECT["environments"] if entry["name"] == name)["config"]


def extractor(name):
    extractors = environment("prod")["plugins"]["extractors"]
    return next(entry for entry in extractors if entry["name"] == name)


def test_prod_selects_the_event_types_of_the_native_connector():
    text = (
        resources.files("target_mixpanel.mapping").joinpath("event_mapping.json").read_text("utf-8")
    )
    native = {name for name, known in json.loads(text).items() if known.get("native")}
    tap = extractor("tap-braze-currents")
    wanted = {f"{registry()[name].stream_id}.*" for name in native}
    assert len(native) == 54
    assert set(tap["select"]) == wanted


def test_a_selection_that_is_added_to_prod_leaves_the_cohorts_selected():
    # `meltano select` writes into the environment, whose list takes the place of the plugin's.
    assert extractor("tap-mixpanel")["select"] == ["cohorts.*", "cohort_members.*"]


def test_dev_sends_nothing():
    for loader in environment("dev")["plugins"]["loaders"]:
        assert loader["config"]["dry_run"] is True


def test_prod_takes_everything_but_the_selection_from_the_environment():
    for kind in environment("prod")["plugins"].values():
        for plugin in kind:
            assert not plugin.get("config")


def test_every_schedule_runs_a_job_and_every_job_names_plugins():
    plugins = {
        entry["name"] for kind in ("extractors", "loaders") for entry in PROJECT["plugins"][kind]
    }
    jobs = {job["name"]: job["tasks"] for job in PROJECT["jobs"]}
    assert {schedule["job"] for schedule in PROJECT["schedules"]} <= set(jobs)
    for tasks in jobs.values():
        for task in tasks:
            assert set(task.split()) <= plugins
