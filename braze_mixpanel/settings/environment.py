"""Find environment variables that look like settings but have no effect."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLOSE: Final = 0.8
_OF_THE_SDK: Final = "LOGLEVEL"


def misspelt_variables(
    prefix: str, properties: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return the variables that start with the plugin's prefix but are not a setting.

    Meltano's own variables are ignored: the plugin's extras (`…__SELECT`), parts of objects
    (`…_STREAMS_ORDERS`), and settings and log level of a plugin whose name is longer
    (`…_EU_REGION`, `…_EU_LOGLEVEL`).

    Args:
        prefix: The prefix of the plugin's variables.
        properties: Setting → its JSON Schema.
        given: Setting → its value, for all settings with a value.

    Returns:
        Mistakes and warnings, one message for each variable. It is a mistake if the name is close
        to a setting that is not set or has its default value.
    """
    mistakes, warnings = [], []
    for variable in sorted(os.environ):
        name = variable.removeprefix(prefix)
        if name == variable or _belongs_elsewhere(name, properties):
            continue
        free = [
            known
            for known, definition in properties.items()
            if given.get(known) in (None, definition.get("default"))
        ]
        close = difflib.get_close_matches(name.lower(), free, n=1, cutoff=_CLOSE)
        if close:
            meant = f"did you mean {prefix}{close[0].upper()} (setting {close[0]})?"
            mistakes.append(f"Environment variable {variable} names no setting: {meant}")
        else:
            warnings.append(f"Environment variable {variable} names no setting, it has no effect.")
    return mistakes, warnings


def _belongs_elsewhere(name: str, properties: Mapping[str, Mapping[str, Any]]) -> bool:
    if f"_{name}".endswith(f"_{_OF_THE_SDK}") or name.startswith("_") or "__" in name:
        return True
    return any(
        f"_{name}".endswith(f"_{setting.upper()}")
        or ("object" in definition.get("type", ()) and f"_{setting.upper()}_" in f"_{name}")
        for setting, definition in properties.items()
    )


def unread_variables(
    prefix: str, properties: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[str]:
    """Yield variables of settings that have no value, because `--config ENV` is missing."""
    for setting in properties:
        variable = f"{prefix}{setting.upper()}"
        if os.environ.get(variable) and given.get(setting) is None:
            yield variable
