"""Checks the files that a tap's options `--catalog` and `--state` name."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.given_state import plain_state

if TYPE_CHECKING:
    import click


def with_checked_files(command: click.Command) -> click.Command:
    """Check `--catalog` and `--state` of a tap's command; the SDK fails with a stack trace.

    Returns:
        The command.
    """
    for option in command.params:
        if option.name in {"catalog", "state"}:
            option.callback = _check_json
            option.is_eager = True  # --test needs the catalog
    return command


def _check_json(
    _ctx: click.Context, param: click.Parameter, value: IO[str] | None
) -> io.StringIO | None:
    """Check that a file is a JSON object.

    Returns:
        The text of the file, to be read once more by the SDK. The file itself may be a pipe, such
        as /dev/stdin, which cannot be read twice.

    Raises:
        SettingsError: It is no JSON object, or no STATE of this tap.
    """
    if value is None:
        return None
    with value:
        try:
            text = value.read().removeprefix("\ufeff")
            content = json.loads(text)
            problem = "" if isinstance(content, dict) else "it is another value"
        except ValueError as error:
            problem = str(error)
    if problem:
        raise SettingsError(f"--{param.name} {value.name} is no JSON object: {problem}.")
    if param.name == "state":
        text = json.dumps(plain_state(content))
    return io.StringIO(text)
