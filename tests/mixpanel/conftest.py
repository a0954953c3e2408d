from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.fake_mixpanel import FakeMixpanel


@pytest.fixture
def mixpanel() -> Iterator[FakeMixpanel]:
    with FakeMixpanel(keep_bodies=True) as server:
        yield server
