"""Print the files of a run, so that they can be replayed. Like `cat`, but also for a store.

    python -m braze_mixpanel.files s3://dead-letters/mixpanel/target-mixpanel-2026

prints all files whose URL begins like this, in order. The environment variable `PATH_OPTIONS` holds
the credentials, in the form of the setting `path_options`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError
from braze_mixpanel.settings.redaction import masked, protect_logs, secret_values
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.place import local_path, parse_place
from braze_mixpanel.stores.use import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "PATH_OPTIONS"
_USE: Final = Use("URL", VARIABLE)
_SECRET: Final = {"properties": {VARIABLE: {"secret": True}}}


def files_of(start: str, options: dict[str, Any]) -> Iterator[bytes]:
    """Yield the content of each file whose path or URL begins with a text, in order.

    Args:
        start: A folder with a slash at its end, a file, or the beginning of a file name.
        options: Credentials and options of the store.

    Raises:
        InputError: There is no such file.
        ConnectorError: The store cannot be read.
    """
    found = False
    folder, _, name = start.rpartition("/")
    if parse_place(start, _USE) is None:
        path = Path(local_path(start))
        place = path if path.is_dir() else path.parent
        for file in sorted(place.glob("*.jsonl")):
            if path.is_dir() or file.name.startswith(path.name):
                found = True
                yield file.read_bytes()
    else:
        store = StoreFolder(folder, options, _USE)
        for key in store.names():
            if key.startswith(name) and key.endswith(".jsonl") and "/" not in key:
                found = True
                yield store.read(key)
    if not found:
        raise InputError(f"No file begins with {start}: check the path or URL.")


def path_options(text: str | None) -> dict[str, Any]:
    """Return the credentials in the environment variable.

    Raises:
        SettingsError: The text is not a JSON object.
    """
    try:
        options = json.loads(text or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise SettingsError(f"{VARIABLE} must be a JSON object, like the setting path_options.")
    return options


@click.command(help=__doc__)
@click.argument("start")
def _command(start: str) -> None:
    try:
        options = path_options(os.environ.get(VARIABLE))
        protect_logs(secret_values({VARIABLE: options}, _SECRET))
        for content in files_of(start, options):
            sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except ConnectorError as error:
        click.echo(f"Error: {masked(str(error))}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    _command()
