"""Find mistakes in the settings by their JSON Schema: one message for each, without secrets."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from singer_sdk.plugin_base import JSONSchemaValidator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jsonschema import ValidationError


_SHOW_NAMES_ONLY: Final = frozenset({"required", "additionalProperties"})
"""The checks whose messages hold no value."""


def find_mistakes(config: dict[str, Any], schema: dict[str, Any], env_prefix: str) -> list[str]:
    """Check settings against their schema, and fill in the defaults.

    Args:
        config: The settings. Defaults are added in place.
        schema: The JSON Schema of the settings.
        env_prefix: The prefix of the plugin's environment variables.

    Returns:
        One message for each mistake: the setting, what is wrong, and what to write instead.
    """
    return [
        *(
            _describe(error, schema, env_prefix)
            for error in JSONSchemaValidator(_schema_without_strings(schema)).iter_errors(config)
        ),
        *_unknown_settings(config, schema),
    ]


def _schema_without_strings(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema without the plain strings that the SDK puts into `anyOf`.

    For `__else__` the SDK has `anyOf: [{…}, {…}, "null"]`. A string is not a schema, so the check
    of a value that matches none of the other choices would raise.
    """
    copy: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "anyOf":
            schemas = (choice for choice in value if not isinstance(choice, str))
            copy[key] = [_schema_without_strings(choice) for choice in schemas]
        elif isinstance(value, dict):
            copy[key] = _schema_without_strings(value)
        else:
            copy[key] = value
    return copy


def _describe(error: ValidationError, schema: dict[str, Any], env_prefix: str) -> str:
    """Return a message with the wrong setting and how to fix it."""
    if error.validator == "required" and not error.path:
        given: Any = error.instance
        missing = next(name for name in schema["required"] if name not in given)
        return (
            f"Setting {missing} is missing: {_meaning(schema, missing)} "
            f"Set it in meltano.yml or as {env_prefix}{missing.upper()}."
        )
    name = str(error.path[0]) if error.path else ""
    where = ".".join(str(part) for part in error.path)
    definition = schema["properties"].get(name, {})
    types = definition.get("type", ())
    is_unread = isinstance(error.instance, str) and "string" not in types
    holds_objects = "object" in types or "array" in types
    if is_unread and holds_objects and len(error.path) == 1:
        return (
            f"Setting {where} is wrong: it must be JSON of type {_types(types)}. "
            f"{_meaning(schema, name)}"
        ).rstrip()
    if definition.get("secret"):
        wanted = _types(types) if error.validator == "type" else error.validator_value
        return f"Setting {where} is wrong: it must be of type {wanted}."
    return f"Setting {where} is wrong: {_problem(error)}. {_meaning(schema, name)}".rstrip()


def _problem(error: ValidationError) -> str:
    """Say what is wrong with a value, without the value where secrets may be in it.

    An object in the place of a text, or credentials that slipped one level up or down, would be
    shown whole: only a single value helps to find a mistake.
    """
    is_single = not isinstance(error.instance, (dict, list))
    is_of_store = list(error.path)[:2] == ["batch_config", "storage"]
    if (is_single and not is_of_store) or error.validator in _SHOW_NAMES_ONLY:
        return error.message
    if error.validator == "type":
        wanted: Any = error.validator_value
        return f"it must be of type {_types(wanted)}"
    return f"it does not have the form that it must have ({error.validator})"


def _types(types: str | Sequence[str]) -> str:
    """Return the types that a setting takes as words; null only means that it is not set."""
    names = [types] if isinstance(types, str) else types
    return " or ".join(name for name in names if name != "null")


def _meaning(schema: dict[str, Any], name: str) -> str:
    return str(schema["properties"].get(name, {}).get("description", ""))


def _unknown_settings(config: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    known = list(schema["properties"])
    errors = []
    for name in config:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else "see --about for the settings there are."
            )
            errors.append(f"Setting {name} does not exist: {hint}")
    return errors
