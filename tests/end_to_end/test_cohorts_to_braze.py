"""`meltano run tap-mixpanel target-braze-cohorts`, with the public tap as Meltano installs it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.project import Project
from tests.fakes.fake_braze import API_KEY, DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze
from tests.fakes.fake_mixpanel_query import API_SECRET, FakeMixpanelQuery

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("public tap")]
BY_COHORT = {
    "TARGET_BRAZE_COHORTS_DATA_IMPORT_KEY": DATA_IMPORT_KEY,
    "TARGET_BRAZE_COHORTS_PARTNER_API_KEY": PARTNER_API_KEY,
}
BY_ATTRIBUTE = {
    "TARGET_BRAZE_COHORTS_DELIVERY": "attribute",
    "TARGET_BRAZE_COHORTS_API_KEY": API_KEY,
}
SECRETS = (API_SECRET, DATA_IMPORT_KEY, PARTNER_API_KEY, API_KEY)
READERS = {f"user-{number:04}" for number in range(252)}  # two pages of the tap
VIPS = {"user-0000", "user-0001"}


class CohortsProject(Project):
    """A Meltano project between the two fakes."""

    mixpanel: FakeMixpanelQuery

    @classmethod
    def between(
        cls, mixpanel: FakeMixpanelQuery, braze: FakeBraze, folder: Path, plugin: Path
    ) -> CohortsProject:
        project = cls.make(folder, braze)
        project.mixpanel = mixpanel
        installed = project.folder / ".meltano" / "extractors" / "tap-mixpanel"
        installed.parent.mkdir(parents=True)
        installed.symlink_to(plugin)
        return project

    def environment(self, **settings: str) -> dict[str, str]:
        return {
            **super().environment(),
            **self.mixpanel.environment(self.folder),
            "TAP_MIXPANEL_API_SECRET": API_SECRET,
            "TARGET_BRAZE_COHORTS_REST_ENDPOINT": self.server.url,
            **settings,
        }

    def run(self, environment: str = "prod", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the pipeline; no secret appears, whatever the result."""
        pipeline = ("run", "tap-mixpanel", "target-braze-cohorts")
        ended = self.meltano(f"--environment={environment}", *pipeline, **settings)
        for secret in SECRETS:
            assert secret not in ended.stderr + ended.stdout
        return ended

    def states(self) -> list[dict[str, object]]:
        """What Meltano keeps for the next run."""
        with closing(sqlite3.connect(self.folder / ".meltano" / "meltano.db")) as database:
            rows = database.execute("select partial_state, completed_state from state").fetchall()
        return [json.loads(value) for row in rows for value in row if value]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The public tap, installed once by Meltano from what meltano.yml says."""
    project = Project.make(tmp_path_factory.mktemp("installed"), FakeBraze())
    project.server._server.server_close()
    installed = project.meltano("install", "extractor", "tap-mixpanel")
    assert installed.returncode == 0, installed.stderr
    return project.folder / ".meltano" / "extractors" / "tap-mixpanel"


@pytest.fixture
def mixpanel():
    with FakeMixpanelQuery() as server:
        server.put(1001, "Active readers", READERS)
        server.put(1002, "Nobody yet", ())
        server.put(1003, "VIP", VIPS)
        yield server


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server


def test_the_second_run_sends_only_the_change_and_a_rename(
    mixpanel, braze, plugin, tmp_path
) -> None:
    project = CohortsProject.between(mixpanel, braze, tmp_path / "project", plugin)
    first = project.run(**BY_COHORT)
    assert first.returncode == 0, first.stderr
    held = {number: (cohort.name, cohort.members) for number, cohort in braze.cohorts.items()}
    assert held == {
        "1001": ("Active readers", READERS),
        "1002": ("Nobody yet", set()),
        "1003": ("VIP", VIPS),
    }
    assert mixpanel.pages(1001) == 2

    mixpanel.put(1001, "Readers", READERS - {"user-0007"} | {"newcomer"})
    mixpanel.put(1002, "Nobody yet", {"user-0100"})
    before = len(braze.writes())
    second = project.run(**BY_COHORT)
    assert second.returncode == 0, second.stderr
    sent = braze.writes()[before:]
    # Cohorts are sent side by side; the requests of each are in order.
    assert sorted(
        (
            (write.body["cohort_id"], write.body.get("name"), write.adds, write.removes)
            for write in sent
        ),
        key=lambda write: write[0],
    ) == [
        ("1001", "Readers", [], []),
        ("1001", None, ["newcomer"], []),
        ("1001", None, [], ["user-0007"]),
        ("1002", None, ["user-0100"], []),
    ]
    assert braze.cohorts["1001"].name == "Readers"
    assert braze.members("1001") == READERS - {"user-0007"} | {"newcomer"}
    assert "currently_syncing" not in json.dumps(project.states())


def test_a_tap_that_dies_among_the_members_makes_the_run_fail_and_nobody_leaves(
    mixpanel, braze, plugin, tmp_path
) -> None:
    project = CohortsProject.between(mixpanel, braze, tmp_path / "project", plugin)
    assert project.run(**BY_COHORT).returncode == 0
    before = len(braze.writes())

    mixpanel.put(1001, "Active readers", READERS - {"user-0007"})
    mixpanel.put(1003, "VIP", {"user-0000", "user-0002"})
    mixpanel.cut_members_from_page = 1
    broken = project.run(**BY_COHORT)
    assert broken.returncode != 0
    assert not any(write.removes for write in braze.writes()[before:])
    assert braze.members("1001") == READERS
    assert braze.members("1003") >= VIPS
    assert "currently_syncing" not in json.dumps(project.states())

    mixpanel.cut_members_from_page = None
    mixpanel.put(1003, "VIP", {*VIPS, "user-0002"})
    repaired = project.run(**BY_COHORT)
    assert repaired.returncode == 0, repaired.stderr
    assert braze.members("1001") == READERS - {"user-0007"}
    assert braze.members("1003") == {*VIPS, "user-0002"}


def test_the_array_attribute_holds_the_cohorts_of_profiles_joined_by_a_property(
    mixpanel, braze, plugin, tmp_path
) -> None:
    for who in READERS - {"user-0009"}:
        mixpanel.profiles[who]["$braze_external_id"] = f"braze-{who}"
    known = {f"braze-{who}" for who in READERS - {"user-0009"}}
    braze.users = {*known, "user-0009"}
    project = CohortsProject.between(mixpanel, braze, tmp_path / "project", plugin)
    ended = project.run(
        **BY_ATTRIBUTE,
        TARGET_BRAZE_COHORTS_EXTERNAL_ID_PROPERTY="$braze_external_id",
        TAP_MIXPANEL__SELECT=json.dumps(["engage.*", "cohorts.*", "cohort_members.*"]),
    )
    assert ended.returncode == 0, ended.stderr
    assert braze.members("Active readers") == known
    assert braze.members("VIP") == {f"braze-{who}" for who in VIPS}
    assert braze.members("Nobody yet") == set()


def test_the_dev_environment_prints_the_plan_and_sends_nothing(
    mixpanel, braze, plugin, tmp_path
) -> None:
    project = CohortsProject.between(mixpanel, braze, tmp_path / "project", plugin)
    plan = project.run("dev", **BY_COHORT)
    assert plan.returncode == 0, plan.stderr
    for name in ("Active readers", "Nobody yet", "VIP"):
        assert name in plan.stderr
    assert braze.writes() == []
