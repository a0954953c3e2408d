"""Only its owner can read the membership database, whatever its name and origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.store.database import check_database, open_database

if TYPE_CHECKING:
    from pathlib import Path


IN_MEMORY = (
    "sqlite://",
    "sqlite:///",
    "sqlite:///:memory:",
    "sqlite+pysqlite:///:memory:",
    "sqlite:///:memory:?cache=shared",
    "sqlite:///file::memory:",
    "sqlite:///file::memory:?cache=shared&uri=true",
    "sqlite:///file:x?mode=memory&uri=true",
    "sqlite:///file:x?mode=memory&cache=shared&uri=true",
    "sqlite:///file:/x?vfs=memdb&uri=true",
    "sqlite:///file:?uri=true",
    "sqlite:/// ",
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
@pytest.mark.parametrize("is_there", [False, True])
def test_only_the_owner_can_read_the_database_and_its_lock(tmp_path, form, is_there) -> None:
    path = tmp_path / "m.db"
    if is_there:
        path.touch(0o644)
        path.chmod(0o644)
    with open_database(form.format(path), "w"):
        assert mode(path) == 0o600
        assert mode(tmp_path / "m.db.lock") == 0o600
    check_database(form.format(path))


def test_a_file_that_is_no_database_keeps_its_rights_and_content(tmp_path) -> None:
    path = tmp_path / "passwd"
    path.write_text("root:x:0:0")
    path.chmod(0o644)
    with (
        pytest.raises(SettingsError, match="not a SQLite database"),
        open_database(f"sqlite:///{path}", "w"),
    ):
        pass
    assert mode(path) == 0o644
    assert path.read_text() == "root:x:0:0"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("url", IN_MEMORY)
@pytest.mark.parametrize("use", [check_database, lambda url: open_database(url, "w").__enter__()])
def test_a_database_in_memory_is_refused_and_makes_no_file(tmp_path, monkeypatch, url, use) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="membership_db is wrong: give a file") as why:
        use(url)
    assert "\n" not in str(why.value)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_a_link_is_an_error_and_makes_nothing(tmp_path) -> None:
    (tmp_path / "m.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError), open_database(f"sqlite:///{tmp_path / 'm.db'}", "w"):
        pass
    assert not (tmp_path / "elsewhere").exists()
