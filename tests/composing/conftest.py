"""Each public plugin is installed once a session, by the test that needs it first."""

from __future__ import annotations

from functools import cache

import pytest

from tests.composing.plugins import install


@pytest.fixture(scope="session")
def public(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")

    @cache
    def command(plugin):
        return install(plugin, folder)

    return command
