"""Settings for all tests."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage
import pytest
from hypothesis import HealthCheck, settings

from braze_mixpanel.settings import redaction
from tests.braze_mixpanel.files.stores import SCHEMES, Cloud, cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

settings.register_profile(
    "shared machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "shared machine"))


ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the exhaustive tests, and measure coverage by the fast tests alone.

    Tracing would slow the long ones by a third. In parallel runs these begin first, so that none
    of them keeps one worker busy at the end when the others have nothing left, and the fast tests
    of a file stay together: there are too many to hand out one by one.
    """
    if not os.environ.get("EXHAUSTIVE"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.no_cover)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)
        for item in items:
            if not (item.get_closest_marker("slow") or item.get_closest_marker("xdist_group")):
                item.add_marker(pytest.mark.xdist_group(item.path.stem))


def a_part(cases: Sequence[tuple[Any, ...]], one_of: int) -> list[Any]:
    """Return cases for `parametrize`, all but one of so many marked as exhaustive."""
    return [
        case if not number % one_of else pytest.param(*case, marks=pytest.mark.exhaustive)
        for number, case in enumerate(cases)
    ]


@pytest.fixture(autouse=True)
def coverage_of_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the plugins that a fast test starts as processes, when this run measures at all."""
    slow = request.node.get_closest_marker("slow")
    if coverage.Coverage.current() is not None and not slow:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without what the plugins of earlier tests in this process have taken for secret."""
    monkeypatch.setattr(redaction, "_known", set())
    for handler in logging.getLogger().handlers:  # pytest's own live through all tests
        if isinstance(handler.formatter, redaction.RedactingFormatter):
            handler.setFormatter(handler.formatter._formatter)


@pytest.fixture(params=SCHEMES)
def any_cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """A store of each cloud in turn."""
    with cloud(request.param) as made:
        yield made


@pytest.fixture
def s3() -> Iterator[Cloud]:
    """A store of S3."""
    with cloud() as made:
        yield made
