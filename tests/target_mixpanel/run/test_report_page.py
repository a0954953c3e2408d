"""The words on the page about a run."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from braze_mixpanel.report.writer import Ending
from target_mixpanel.run.report_page import make_page


@pytest.mark.parametrize(("dry_run", "word"), [(True, "Mapped"), (False, "Imported")])
@pytest.mark.parametrize("failure", ["", "The disk is full."])
def test_a_page_does_not_claim_what_a_dry_run_did_not_do(dry_run, word, failure) -> None:
    settings = {"dry_run": dry_run, "region": "us"}
    ending = Ending(datetime.now(timezone.utc), 1.0, "Failed" if failure else "Finished", failure)
    page = make_page(ending, settings, None, now=0.0, dry_run_file="here" * dry_run)
    names = [figure.label for figure in page.figures]
    assert names[0] == word
    assert "Retried" in names
    labels = [label for one in page.lists for label, _ in one.rows]
    assert ("Events as they would be sent" in labels) == (dry_run and not failure)
