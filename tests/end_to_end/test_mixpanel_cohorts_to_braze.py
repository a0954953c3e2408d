"""`meltano run` with both ways of tap-mixpanel-cohorts, into the fake of Braze."""

from __future__ import annotations

import pytest

from tests.end_to_end.project import Project
from tests.fakes.fake_braze import API_KEY, DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze
from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import PASSWORD as ACCOUNT_SECRET
from tests.fakes.mixpanel_query_api import PROJECT, USERNAME, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PASSWORD, PROPERTY, USER, inbox

pytestmark = pytest.mark.slow
BY_COHORT = {
    "TARGET_BRAZE_COHORTS_DELIVERY": "cohort",
    "TARGET_BRAZE_COHORTS_DATA_IMPORT_KEY": DATA_IMPORT_KEY,
    "TARGET_BRAZE_COHORTS_PARTNER_API_KEY": PARTNER_API_KEY,
}
BY_ATTRIBUTE = {
    "TARGET_BRAZE_COHORTS_DELIVERY": "attribute",
    "TARGET_BRAZE_COHORTS_ATTRIBUTE_VALUE": "id",
    "TARGET_BRAZE_COHORTS_API_KEY": API_KEY,
}
READERS = {f"user-{number:04}" for number in range(120)}


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server


def run(project, extractor, **settings):
    ended = project.meltano(
        "--environment=prod",
        "run",
        extractor,
        "target-braze-cohorts",
        TARGET_BRAZE_COHORTS_REST_ENDPOINT=project.server.url,
        TARGET_BRAZE_COHORTS_EXTERNAL_ID_PROPERTY=PROPERTY,
        **settings,
    )
    output = ended.stderr + ended.stdout
    for secret in (ACCOUNT_SECRET, PASSWORD, DATA_IMPORT_KEY, PARTNER_API_KEY, API_KEY, "marker"):
        assert secret not in output
    assert ended.returncode == 0, output
    assert "names no setting" not in output
    return output


def profiles(people):
    return {who: {PROPERTY: f"b-{who}", "$email": "marker"} for who in people}


def external(people):
    return {f"b-{who}" for who in people}


@pytest.mark.parametrize("way", [BY_COHORT, BY_ATTRIBUTE], ids=["cohort", "attribute"])
def test_the_query_api_reaches_braze_and_the_next_run_sends_the_difference(braze, tmp_path, way):
    project = Project.make(tmp_path / "project", braze)
    settings = {
        **way,
        "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_USERNAME": USERNAME,
        "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_PASSWORD": ACCOUNT_SECRET,
        "TAP_MIXPANEL_COHORTS_PROJECT_ID": PROJECT,
        "TAP_MIXPANEL_COHORTS_PROFILE_PROPERTIES": f'["{PROPERTY}"]',
        "TAP_MIXPANEL_COHORTS_COHORTS": '["Readers"]',
    }
    with MixpanelQueryApi() as mixpanel:
        mixpanel.put(1001, "Readers", profiles(READERS))
        mixpanel.put(1002, "Others", ["x"])
        settings["TAP_MIXPANEL_COHORTS_API_URL"] = mixpanel.url
        log = run(project, "tap-mixpanel-cohorts", **settings)
        assert "a run needs about 2 queries of 60 an hour" in log
        assert braze.members("1001") == external(READERS)
        mixpanel.put(1001, "Readers", profiles(READERS - {"user-0007"} | {"new"}))
        before = len(braze.writes())
        run(project, "tap-mixpanel-cohorts", **settings)
        assert braze.members("1001") == external(READERS - {"user-0007"} | {"new"})
        changed = [
            who for write in braze.writes()[before:] for who in (*write.adds, *write.removes)
        ]
        assert sorted(changed) == ["b-new", "b-user-0007"]
        assert mixpanel.pages(1002) == []


@pytest.mark.parametrize(
    ("way", "extractor"),
    [(BY_COHORT, "tap-mixpanel-cohorts-inbox"), (BY_ATTRIBUTE, "tap-mixpanel-cohorts")],
    ids=["cohort", "attribute, the plugin of the query API"],
)
def test_what_mixpanel_pushes_reaches_braze_and_a_run_without_news_sends_nothing(
    braze, tmp_path, way, extractor
):
    project = Project.make(tmp_path / "project", braze)
    db = f"sqlite:///{tmp_path}/inbox.db"
    prefix = extractor.replace("-", "_").upper()
    settings = {
        **way,
        f"{prefix}_INBOX_DB": db,
        f"{prefix}_PROFILE_PROPERTIES": f'["{PROPERTY}"]',
    }
    with inbox(db) as process:
        sync = CohortSync(process.url, auth=(USER, PASSWORD))
        sync.cohort(1001, "Readers").people = profiles(READERS)
        sync.cohort(1002, "Few").people = profiles(["a", "b"])
        assert sync.run(1001)
        assert sync.run(1002)
        run(project, extractor, **settings)
        assert braze.members("1001") == external(READERS)
        assert braze.members("1002") == {"b-a", "b-b"}
        sync.cohort(1001).people = profiles(READERS - {"user-0007"} | {"new"})
        sync.run(1001)
        before = len(braze.writes())
        run(project, extractor, **settings)
        assert braze.members("1001") == external(READERS - {"user-0007"} | {"new"})
        changed = [
            who for write in braze.writes()[before:] for who in (*write.adds, *write.removes)
        ]
        assert sorted(changed) == ["b-new", "b-user-0007"]
        before = len(braze.requests)
        run(project, extractor, **settings)
        assert len(braze.requests) == before
