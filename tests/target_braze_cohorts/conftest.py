"""A Braze for each test."""

from __future__ import annotations

import pytest

from tests.fakes.fake_braze import FakeBraze


@pytest.fixture
def braze():
    with FakeBraze() as server:
        yield server
