"""Settings for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "shared machine"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage by the fast tests alone: tracing would slow the long ones by a third."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.no_cover)


ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def coverage_of_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the plugins that a fast test starts as processes, when this run measures at all."""
    slow = request.node.get_closest_marker("slow")
    if coverage.Coverage.current() is not None and not slow:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))
