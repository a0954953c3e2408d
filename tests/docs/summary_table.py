"""What docs/ says of the summary of a run."""

from __future__ import annotations

import json
import re

from tools.definitions import ROOT

SECTION = (
    (ROOT / "docs" / "operations.md")
    .read_text("utf-8")
    .partition("## Summary for alerts")[2]
    .partition("\n## ")[0]
)
SCHEMA = json.loads((ROOT / "docs" / "summary.schema.json").read_text("utf-8"))


def documented_counts(plugin):
    """Give the names in `counts` of a plugin, in order."""
    row = re.search(rf"^\| {plugin} \| (.*) \|$", SECTION, re.MULTILINE)
    return re.findall(r"`(\w+)`", row[1])
