from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.fake_mixpanel import FakeMixpanel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def mixpanel() -> Iterator[FakeMixpanel]:
    with FakeMixpanel() as server:
        yield server
