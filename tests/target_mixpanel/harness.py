"""Runs target-mixpanel in this process, against a server, as Meltano would run it."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import ConnectorError
from braze_mixpanel.files.run_file import LocalRunFile
from braze_mixpanel.singer.message_reader import decode_line
from target_mixpanel.sending.dry_run import DryRun
from target_mixpanel.target import TargetMixpanel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.fake_mixpanel import FakeMixpanel

STREAM = "users_messages_email_open"
SCHEMA = {
    "type": "SCHEMA",
    "stream": STREAM,
    "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
    "key_properties": ["id"],
}
TIME = 1_790_000_000


class ImpatientTarget(TargetMixpanel):
    """Tries again without waiting."""

    retry_waits = staticmethod(lambda: itertools.repeat(0.0))


class Blocks(io.RawIOBase):
    """Gives these blocks, one at a time, as a slow tap does."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = list(blocks)

    def read(self, size: int = -1) -> bytes:
        return self._blocks.pop(0) if self._blocks else b""


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def open_record(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"event-{number}", "time": TIME, "external_user_id": f"user-{number}", **fields}


def record(values: dict[str, Any], stream: str = STREAM) -> bytes:
    return line({"type": "RECORD", "stream": stream, "record": values})


def opens(count: int, start: int = 0) -> bytes:
    return b"".join(record(open_record(number)) for number in range(start, start + count))


def state(value: int) -> bytes:
    return line({"type": "STATE", "value": {"bookmarks": {STREAM: value}}})


def schema(stream: str = STREAM, **properties: Any) -> bytes:
    given = properties or SCHEMA["schema"]["properties"]
    return line({**SCHEMA, "stream": stream, "schema": {"type": "object", "properties": given}})


@dataclass
class Run:
    """What a run left behind."""

    target: TargetMixpanel
    error: BaseException | None
    states: list[dict[str, Any]]
    dead: list[dict[str, Any]] = field(default_factory=list)

    @property
    def account(self) -> Any:
        return self.target.pipeline.account


def settings(server: FakeMixpanel | None, folder: Path, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "service_account_username": "account",
        "service_account_password": "account-secret",
        "project_id": "12345",
        "dead_letter_path": str(folder / "dead_letter"),
        "dry_run_path": str(folder / "dry_run"),
        "batch_config": {"storage": {"root": folder.as_uri()}},
    }
    if server is not None:
        base["api_url"] = server.url
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def run(
    source: bytes | Any,
    server: FakeMixpanel | None,
    folder: Path,
    *,
    target_class: type[TargetMixpanel] = ImpatientTarget,
    **changes: Any,
) -> Run:
    """Feed the target and give what came of it; a foreseeable error is kept, not raised."""
    target = target_class(config=settings(server, folder, **changes))
    states: list[dict[str, Any]] = []
    target.write_state = states.append  # type: ignore[method-assign]
    error: BaseException | None = None
    try:
        target.listen(io.BytesIO(source) if isinstance(source, bytes) else source)
    except ConnectorError as caught:
        error = caught
    return Run(target, error, states, dead_letters(folder))


def dry_run(folder: Path, name: str, **options: Any) -> DryRun:
    """Make a dry run as the settings do, into a folder."""
    return DryRun(LocalRunFile(folder, name, setting="dry_run_path", what="The file", **options))


def dead_letters(folder: Path) -> list[dict[str, Any]]:
    """All RECORD lines of all dead letters."""
    messages = [
        decode_line(text.encode())
        for path in sorted((folder / "dead_letter").glob("*.jsonl"))
        for text in path.read_text().splitlines()
    ]
    return [message for message in messages if message["type"] == "RECORD"]


def dry_run_events(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(text)
        for path in sorted((folder / "dry_run").glob("*.jsonl"))
        for text in path.read_text().splitlines()
    ]
