"""Names of the files of a run."""

from __future__ import annotations

import re

from braze_mixpanel.files.private_files import name_file


def test_names_of_files_sort_by_the_time_of_their_run(tmp_path) -> None:
    name = name_file(tmp_path, "target-mixpanel").name
    assert re.fullmatch(r"target-mixpanel-\d{8}T\d{6}Z-[0-9a-f]{8}\.jsonl", name)
