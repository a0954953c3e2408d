"""Only its owner can read the inbox, whatever its name and origin."""

from __future__ import annotations

import os

import pytest

from braze_mixpanel.errors import SettingsError
from tap_mixpanel_cohorts.inbox.database import (
    create_tables,
    make_engine,
    parse_url,
    require_inbox,
)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///file:/x?vfs=memdb&uri=true",
    ],
)
@pytest.mark.parametrize("setting", ["--inbox-db", "Setting inbox_db"])
def test_an_inbox_in_memory_is_refused(url, setting) -> None:
    with pytest.raises(SettingsError, match=f"^{setting} is wrong: give a file"):
        parse_url(url, setting)


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
@pytest.mark.parametrize("is_there", [False, True])
def test_only_the_owner_can_read_the_inbox(tmp_path, form, is_there) -> None:
    path = tmp_path / "inbox.db"
    if is_there:
        path.touch()
        path.chmod(0o644)
    before = os.umask(0o022)
    engine = make_engine(parse_url(form.format(path), "x"), writes=True)
    try:
        create_tables(engine, "[]")
        require_inbox(engine)
    finally:
        os.umask(before)
        engine.dispose()
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert path.exists()
