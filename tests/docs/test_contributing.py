"""CONTRIBUTING.md leads a newcomer through the code, so its names must exist."""

from __future__ import annotations

import ast
import re

from tools.definitions import ROOT

TEXT = re.sub(r"```.*?```", "", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), flags=re.DOTALL)
PACKAGES = (
    "braze_mixpanel",
    "tap_braze_currents",
    "tap_mixpanel_cohorts",
    "target_mixpanel",
    "target_braze_cohorts",
)


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def names_in(path: str) -> set[str]:
    """Classes and functions of a module; methods as `Class.method`."""
    found = set()
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


def steps() -> list[tuple[str, list[str]]]:
    """The rows of the walks: a file and names in it."""
    rows = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.count("|") == 5]
    return [(quoted(row[2])[0], quoted(row[3])) for row in rows if quoted(row[3])]


def test_every_file_and_folder_that_contributing_names_exists():
    paths = [name for name in quoted(TEXT) if re.fullmatch(r"[\w./-]+/[\w./-]*", name)]
    assert len(paths) > 40
    missing = [name for name in paths if not (ROOT / name).exists() and name != ".venv/bin/python"]
    assert missing == []


def test_every_name_in_the_walks_is_in_the_file_beside_it():
    walks = steps()
    assert len(walks) > 30
    missing = [
        f"{path}: {name}" for path, names in walks for name in names if name not in names_in(path)
    ]
    assert missing == []


def test_every_folder_of_the_packages_is_in_the_table_of_rooms():
    folders = {
        f"{folder.parent.relative_to(ROOT)}/"
        for package in PACKAGES
        for folder in (ROOT / package).glob("*/__init__.py")
    }
    assert folders <= set(quoted(TEXT))


def test_every_folder_of_the_packages_says_its_idea_in_its_docstring():
    for package in PACKAGES:
        for module in (ROOT / package).rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(module.read_text("utf-8"))), module
