"""Reads settings from environment variables, and numbers and booleans from text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.sdk import TRUTHY, parse_environment_config

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE_OR_FALSE: Final = frozenset({*TRUTHY, "false", "0", "no", "off", ""})


def parse_ratio(value: float | str) -> float:
    """Read a ratio; text is allowed because Meltano fails on decimals from the environment.

    Raises:
        ValueError: It is not a number from 0 to 1.
    """
    ratio = float(value)
    if not 0 <= ratio <= 1:
        raise ValueError(value)
    return ratio


def settings_in_environment(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables, as the SDK does.

    Args:
        schema: The settings.
        prefix: The start of the variables' names.

    Returns:
        The settings that are set; text that does not fit the setting's type stays text.
    """
    found: dict[str, Any] = {}
    for name, definition in schema["properties"].items():
        text = os.environ.get(f"{prefix}{name.upper()}", "")
        if not text:
            continue
        try:
            found |= parse_environment_config({"properties": {name: definition}}, prefix)
        except ValueError:
            found[name] = text
        if isinstance(found.get(name), bool):
            found[name] = text  # the SDK reads any unknown text as false
    return read_texts(found, schema)


def read_texts(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert booleans and whole numbers that were given as text.

    Meltano passes most settings as text (their kind in meltano.yml is string). Its own conversion
    reads any unknown text as false, and ends in a stack trace for text that is not a number.

    Args:
        settings: Name → value.
        schema: Their JSON Schema.

    Returns:
        The settings; text that cannot be converted stays text.
    """
    read = dict(settings)
    for name, value in settings.items():
        types = schema["properties"].get(name, {}).get("type", ())
        if not isinstance(value, str) or "string" in types:
            continue
        if "boolean" in types and value.lower() in _TRUE_OR_FALSE:
            read[name] = value.lower() in TRUTHY
        elif "integer" in types and value.strip().lstrip("-").isdecimal():
            read[name] = int(value)
    return read
