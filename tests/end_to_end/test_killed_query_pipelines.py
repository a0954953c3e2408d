"""What the query API gives reaches Braze, whatever failed and was killed: `killed_pipelines`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.killed_pipelines import KilledPipeline, seeds
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.mixpanel_query_api import CUT, Answer, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PROPERTY

pytestmark = pytest.mark.slow
STEPS = 9
FAULTS = [CUT, Answer(500, {"error": "oops"}), Answer(400, {"error": "session expired"})]


class QueriedPipeline(KilledPipeline):
    """The query API, and the pipeline behind it."""

    mixpanel: MixpanelQueryApi

    def tap_settings(self) -> dict[str, Any]:
        return {
            "api_url": self.mixpanel.url,
            **self.mixpanel.account,
            "profile_properties": [PROPERTY],
            "page_size": 4,
            "query_budget": 100_000,
            "retry_seconds": 0,
        }

    def change(self, number: int, people: list[str]) -> None:
        super().change(number, people)
        profiles = {who: {PROPERTY: f"b-{who}"} for who in people}
        self.mixpanel.put(number, self.names().get(number, f"Cohort {number}"), profiles)

    def rename(self, number: int, name: str) -> None:
        if number in self.mixpanel.cohorts:
            self.mixpanel.cohorts[number].name = name

    def names(self) -> dict[int, str]:
        return {number: cohort.name for number, cohort in self.mixpanel.cohorts.items()}

    def random_run(self) -> None:
        for _ in range(self.chance.choice([0, 0, 1, 3])):
            page, times = self.chance.randrange(4), self.chance.choice([1, 9])
            self.mixpanel.fail(self.chance.choice(FAULTS), page=page, times=times)
        super().random_run()
        self.mixpanel.faults.clear()


@pytest.mark.parametrize("seed", seeds(2))
def test_braze_holds_the_cohorts_whatever_was_killed_and_failed(tmp_path, seed) -> None:
    with FakeBraze() as braze, MixpanelQueryApi(per_hour=100_000) as mixpanel:
        pipeline = QueriedPipeline(tmp_path, braze, seed)
        pipeline.mixpanel = mixpanel
        pipeline.change(1, ["u1", "u2"])
        for _ in range(STEPS):
            if pipeline.chance.random() < 0.45:
                pipeline.random_change()
            else:
                pipeline.random_run()
        pipeline.require_equal()
