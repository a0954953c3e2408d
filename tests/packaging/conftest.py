"""The wheel, built once a session."""

from __future__ import annotations

import pytest

from tests.packaging.wheels import build_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("dist"))
