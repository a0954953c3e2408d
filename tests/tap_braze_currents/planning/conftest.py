from __future__ import annotations

import pytest

from tests.tap_braze_currents.planning.small_files import CATALOG, TAP


@pytest.fixture
def run(tmp_path, run_tap):
    return lambda **settings: run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, **settings)
