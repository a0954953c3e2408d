"""Writes every text that repeats a plugin's settings, from the settings themselves.

    python -m tools.definitions

keeps the `settings:` of meltano.yml, the tables of the README and the MeltanoHub definitions in
step with `--about`. A test fails when they are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tap_braze_currents.tap import TapBrazeCurrents
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.target import TargetMixpanel

ROOT = Path(__file__).parent.parent
PLUGINS: dict[str, type] = {
    "tap-braze-currents": TapBrazeCurrents,
    "target-mixpanel": TargetMixpanel,
    "target-braze-cohorts": TargetBrazeCohorts,
}
KINDS = {"object": "object", "array": "array", "boolean": "boolean", "integer": "integer"}
"""JSON type to Meltano's kind; numbers become strings, since Meltano fails on decimals given by
the environment."""
SDK_SETTINGS = (
    "stream_map",
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_",
    "batch_config",
)


def settings_of(plugin: str) -> dict[str, dict[str, Any]]:
    """Give a plugin's settings as `--about` shows them: name → JSON Schema."""
    about = PLUGINS[plugin]._get_about_info()  # noqa: SLF001
    properties: dict[str, dict[str, Any]] = about.settings["properties"]
    return properties


def is_own(name: str) -> bool:
    """Whether a setting is ours and not one that every SDK plugin has."""
    return not name.startswith(SDK_SETTINGS)


def kind_of(definition: dict[str, Any]) -> str:
    """Choose Meltano's kind for a setting."""
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if "enum" in definition:
        return "options"
    if "string" in types:
        return "string"
    return next((KINDS[name] for name in types if name in KINDS), "string")


def meltano_settings(plugin: str) -> list[dict[str, Any]]:
    """Describe a plugin's settings as meltano.yml and MeltanoHub want them."""
    described = []
    for name, definition in settings_of(plugin).items():
        kind = kind_of(definition)
        entry: dict[str, Any] = {"name": name, "kind": kind}
        if definition.get("default") not in (None, {}, []):
            default = definition["default"]
            entry["value"] = str(default) if kind == "string" else default
        if kind == "options":
            entry["options"] = [
                {"label": option, "value": option} for option in definition["enum"] if option
            ]
        if definition.get("secret"):
            entry["sensitive"] = True
        entry["description"] = " ".join(str(definition.get("description", "")).split())
        described.append(entry)
    return described


def _yaml(value: Any, indent: int) -> str:  # noqa: ANN401
    text = yaml.safe_dump(value, sort_keys=False, width=92 - indent, allow_unicode=True)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


def with_settings_in_meltano_yml(text: str) -> str:
    """Put the settings of each plugin behind its `# settings of NAME` line."""
    for plugin in PLUGINS:
        text = _between(
            text,
            rf"(    # settings of {plugin}[^\n]*\n)(.*?)(    # end of settings\n)",
            "    settings:\n" + _yaml(meltano_settings(plugin), 4),
        )
    return text


def with_tables_in_readme(text: str) -> str:
    """Put a table of its settings behind each `<!-- settings of NAME -->`."""
    for plugin in PLUGINS:
        rows = ["| setting | default | meaning |", "|---|---|---|"]
        for name, definition in settings_of(plugin).items():
            if is_own(name):
                default = definition.get("default")
                shown = "–" if default in (None, "") else f"`{_compact(default)}`"
                secret = " Secret." if definition.get("secret") else ""
                meaning = str(definition.get("description", "")).replace("|", "\\|")
                rows.append(f"| `{name}` | {shown} | {meaning}{secret} |")
        text = _between(
            text,
            rf"(<!-- settings of {plugin} -->\n)(.*?)(<!-- end -->)",
            "\n".join(rows) + "\n",
        )
    return text


def _compact(default: Any) -> str:  # noqa: ANN401
    return default if isinstance(default, str) else json.dumps(default)


def _between(text: str, pattern: str, new: str) -> str:
    changed, count = re.subn(
        pattern, lambda match: match[1] + new + match[3], text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"expected one place for {pattern}, found {count}")
    return changed


WRITTEN: dict[str, Callable[[str], str]] = {
    "meltano.yml": with_settings_in_meltano_yml,
    "README.md": with_tables_in_readme,
}
"""File → what brings its text up to date."""


def main() -> None:
    """Write all files that are behind."""
    for name, bring_up_to_date in WRITTEN.items():
        path = ROOT / name
        path.write_text(bring_up_to_date(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
