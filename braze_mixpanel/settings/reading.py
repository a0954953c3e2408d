"""Read settings from environment variables, and convert text to values of other types."""

from __future__ import annotations

import json
import math
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.sdk import TRUTHY, parse_environment_config

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE_OR_FALSE: Final = frozenset({*TRUTHY, "false", "0", "no", "off", ""})


_is_whole_number: Final = re.compile("[+-]?[0-9]{1,18}").fullmatch


def parse_ratio(value: float | str) -> float:
    """Return a ratio. Text is allowed, because Meltano fails on decimals in the environment.

    Raises:
        ValueError: The value is not a number from 0 to 1.
    """
    ratio = math.nan if isinstance(value, bool) else float(value)
    if not 0 <= ratio <= 1:
        raise ValueError(value)
    return ratio


def settings_in_environment(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the settings in environment variables.

    Args:
        schema: The JSON Schema of the settings.
        prefix: The prefix of the variables.

    Returns:
        The settings that are set. Text that does not match the type of the setting stays text, and
        the check of the settings reports it.
    """
    found: dict[str, Any] = {}
    for name, definition in schema["properties"].items():
        text = os.environ.get(f"{prefix}{name.upper()}", "")
        if not text:
            continue
        if text.lstrip().startswith(("[", "{")):
            found[name] = text  # the SDK would read a malformed array in its old form, x,y,z
            continue
        try:
            found |= parse_environment_config({"properties": {name: definition}}, prefix)
        except ValueError:
            found[name] = text
        if isinstance(found.get(name), bool):
            found[name] = text  # the SDK would read any unknown text as false
    return read_texts(found, schema)


def read_texts(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert booleans, whole numbers, arrays and objects that were given as text; leave out nulls.

    Null is how JSON and YAML write that a setting is not set: its default counts.

    Meltano passes arrays and objects of the environment as text (their kind in meltano.yml is
    string): its own conversion shows a malformed one, secrets included, in a stack trace, and
    reads `["a" "b"]` as one text.

    Args:
        settings: Name → value.
        schema: Their JSON Schema.

    Returns:
        The settings; text that cannot be converted stays text.
    """
    properties = schema["properties"]
    read = {
        name: value
        for name, value in settings.items()
        if value is not None or name not in properties  # an unknown name is a mistake all the same
    }
    for name, value in tuple(read.items()):
        types = properties.get(name, {}).get("type", ())
        if isinstance(value, float) and value.is_integer() and "integer" in types:
            read[name] = int(value)
        if not isinstance(value, str) or "string" in types:
            continue
        if "boolean" in types and value.lower() in _TRUE_OR_FALSE:
            read[name] = value.lower() in TRUTHY
        elif "integer" in types and _is_whole_number(value.strip()):
            read[name] = int(value)
        elif ("object" in types or "array" in types) and not value.strip():
            del read[name]  # the variable is empty
        elif "object" in types or "array" in types:
            with suppress(ValueError, RecursionError):
                read[name] = json.loads(value)
    return read
