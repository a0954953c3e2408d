"""Check the files of a tap's options `--catalog` and `--state`."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.given_state import plain_state

if TYPE_CHECKING:
    import click


def with_checked_files(command: click.Command) -> click.Command:
    """Add checks of `--catalog` and `--state` to a tap's command, and return the command.

    Without them, the SDK shows a stack trace for a wrong file.
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
        The text of the file, which the SDK reads again. The file itself may be a pipe, such as
        /dev/stdin, which can be read only once.

    Raises:
        SettingsError: The file is not a JSON object, or not a STATE of this tap.
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
        raise SettingsError(f"--{param.name} {value.name} is not a JSON object: {problem}.")
    if param.name == "state":
        text = json.dumps(plain_state(content))
    return io.StringIO(text)
