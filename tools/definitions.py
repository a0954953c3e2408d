"""Writes every text that repeats a plugin's settings, from the settings themselves.

    python -m tools.definitions

updates the `settings:` of meltano.yml, the tables of the README and the MeltanoHub definitions in
`hub/` from `--about`. A test fails when they differ.
"""

from __future__ import annotations

import io
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.tap import TapBrazeCurrents
from tap_mixpanel_cohorts.tap import TapMixpanelCohorts
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.mapping.currents import documented_mapping
from target_mixpanel.target import TargetMixpanel

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
PLUGINS: Final[dict[str, type]] = {
    "tap-braze-currents": TapBrazeCurrents,
    "tap-mixpanel-cohorts": TapMixpanelCohorts,
    "target-mixpanel": TargetMixpanel,
    "target-braze-cohorts": TargetBrazeCohorts,
}
BOOLEANS: Final = (True, False, "true", "false", "True", "False", "1", "0")
"""What Meltano takes for a boolean: in meltano.yml, and in the environment, where all is text."""
NULLS_COUNT: Final = "stream_maps"
"""The setting in which a null removes something."""
SDK_SETTINGS: Final = (
    "stream_map",
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_",
    "batch_config",
)
SOURCE: Final = "${BRAZE_MIXPANEL_SOURCE}"
"""Where pip finds the package, which is in no index yet: a wheel or a git reference. A variable, so
that a project names it once for all plugins, under `env:` in its meltano.yml."""
HUB: Final[dict[str, dict[str, Any]]] = {
    "tap-braze-currents": {
        "label": "Braze Currents",
        "domain_url": "https://www.braze.com/docs/user_guide/data/distribution/braze_currents",
        "keywords": ["meltano_sdk", "braze", "currents", "events"],
        "pip_url": f"braze-mixpanel[s3,gcs,azure]@{SOURCE}",
        "settings_group_validation": [["storage_url"]],
    },
    "tap-mixpanel-cohorts": {
        "label": "Mixpanel Cohorts",
        "domain_url": "https://developer.mixpanel.com/reference/cohorts-list",
        "keywords": ["meltano_sdk", "mixpanel", "cohorts", "braze", "reverse_etl"],
        "pip_url": f"braze-mixpanel[inbox,postgres]@{SOURCE}",
        "settings_group_validation": [
            ["service_account_username", "service_account_password", "project_id"],
            ["api_secret"],
            ["inbox_db"],
        ],
    },
    "target-mixpanel": {
        "label": "Mixpanel",
        "domain_url": "https://developer.mixpanel.com/reference/import-events",
        "keywords": ["meltano_sdk", "mixpanel", "braze", "reverse_etl"],
        "pip_url": f"braze-mixpanel@{SOURCE}",
        "settings_group_validation": [
            ["service_account_username", "service_account_password", "project_id"],
            ["project_token"],
            ["api_secret"],
        ],
    },
    "target-braze-cohorts": {
        "label": "Braze Cohorts",
        "domain_url": "https://www.braze.com/docs/partners/mixpanel",
        "keywords": ["meltano_sdk", "braze", "mixpanel", "cohorts", "reverse_etl"],
        "pip_url": f"braze-mixpanel[postgres]@{SOURCE}",
        "settings_group_validation": [
            [place, *credentials]
            for place in ("instance", "rest_endpoint")
            for credentials in (["data_import_key", "partner_api_key"], ["api_key"])
        ],
    },
}
"""What MeltanoHub shows of a plugin besides its settings."""
VARIANT: Final = "braze-mixpanel"
WORDS: Final = {"api": "API", "id": "ID", "ids": "IDs", "url": "URL", "db": "DB"}
"""How labels write them."""

_yaml = YAML()
_yaml.width = sys.maxsize  # as Meltano writes: rewriting meltano.yml then changes little


def settings_of(plugin: str) -> dict[str, dict[str, Any]]:
    """Return a plugin's settings as `--about` shows them: name → JSON Schema."""
    about = PLUGINS[plugin]._get_about_info()  # noqa: SLF001
    properties: dict[str, dict[str, Any]] = about.settings["properties"]
    return properties


def is_own(name: str) -> bool:
    """Whether a setting is ours and not one that every SDK plugin has."""
    return not name.startswith(SDK_SETTINGS)


def kind_of(name: str, definition: dict[str, Any]) -> str:
    """Choose Meltano's kind for a setting, see `meltano_settings`.

    Numbers with a fraction are text: Meltano fails on decimals given by the environment.
    """
    types = definition.get("type", "string")
    if name == NULLS_COUNT:
        return "object"
    if "string" in types:
        return "string"
    if "boolean" in types:
        return "options"
    return "integer" if "integer" in types else "string"


def meltano_settings(plugin: str) -> list[dict[str, Any]]:
    """Describe a plugin's settings for Meltano, keys in the order in which Meltano writes them.

    The kinds are those with which no wrong value passes and none is shown (tried with 4.4.1):

    - `integer`: `meltano config set` refuses what is no number, and stores a number.
    - Booleans are `options`, whose values Meltano checks. It would read `DRY_RUN=ture` as false,
      and send.
    - Choices, ratios, objects and arrays are `string`, and the plugin reads them. Meltano's own
      conversion shows a malformed object, its secrets too, in a stack trace, and reads
      `["a" "b"]` as one text.
    - `stream_maps` is an `object` with a processor all the same. Without the two, a null in
      meltano.yml, which removes a field, is lost on its way to the plugin.
    """
    described = []
    for name, definition in settings_of(plugin).items():
        kind = kind_of(name, definition)
        choices: list[str | bool] = list(filter(None, definition.get("enum", [])))
        if kind == "options":
            choices = list(BOOLEANS)
        entry: dict[str, Any] = {"name": name, "kind": kind}
        default = definition.get("default")
        if default not in (None, {}, []):
            entry["value"] = default
        entry["label"] = _label(name)
        entry["description"] = _one_line(definition.get("description", ""))
        if choices:
            entry["options"] = [{"label": _label_of(each), "value": each} for each in choices]
        if name == NULLS_COUNT:
            entry["value_processor"] = "nest_object"
        if definition.get("secret"):
            entry["sensitive"] = True
        described.append(entry)
    return described


def hub_definition(plugin: str) -> dict[str, Any]:
    """Describe a plugin as MeltanoHub wants it: keys in order of the alphabet."""
    about = PLUGINS[plugin]._get_about_info()  # noqa: SLF001
    settings = meltano_settings(plugin)
    definition = {
        **HUB[plugin],
        "capabilities": [capability.value for capability in about.capabilities],
        "description": about.description,
        # The tables at the end of a run show what METRIC lines would, without filling the log.
        "env": {f"{plugin.replace('-', '_').upper()}_LOGLEVEL": "WARNING"},
        "executable": plugin,
        "maintenance_status": "active",
        "name": plugin,
        "namespace": plugin.replace("-", "_"),
        "settings": [dict(sorted(setting.items())) for setting in settings],
        "variant": VARIANT,
    }
    if plugin == "tap-braze-currents":
        definition["select"] = native_streams()
    return dict(sorted(definition.items()))


def native_streams() -> list[str]:
    """List the select patterns of the event types that Braze's own connector sends to Mixpanel.

    All 108 types would be imported without a selection, and Mixpanel charges for each event.
    """
    native = (name for name, entry in documented_mapping().items() if entry.get("native"))
    return [f"{registry()[name].stream_id}.*" for name in native]


def newest_native_streams() -> list[str]:
    """List the select patterns of the 57 event types of Braze's newest partner page.

    The page adds the aborts of campaigns and Canvases and six WhatsApp types to the older list,
    and drops the four types of the News Feed and SMS Carrier Send.
    Source: Braze's partner page "Mixpanel", section "Supported Currents events". Of WhatsApp it
    names abort, delivery, failure, inbound receive, read and send, and neither click nor retry.
    """
    streams = [stream for stream in native_streams() if stream not in _DROPPED]
    return sorted([*streams, *_ADDED])


def hub_path(plugin: str) -> str:
    """Say where in the repository a plugin's MeltanoHub definition lies."""
    return f"hub/{'extractors' if plugin.startswith('tap-') else 'loaders'}/{plugin}.yml"


def with_settings_in_meltano_yml(text: str) -> str:
    """Put the settings of each plugin behind its `# settings of NAME` line."""
    for plugin in PLUGINS:
        text = _between(
            text,
            rf"(    # settings of {plugin}[^\n]*\n)(.*?)(    # end of settings\n)",
            "    settings:\n" + _as_yaml(meltano_settings(plugin), 4),
        )
    return text


def with_tables_in_readme(text: str) -> str:
    """Put a table of its settings behind each `<!-- settings of NAME -->`."""
    for plugin in PLUGINS:
        rows = ["| setting | default | meaning |", "|---|---|---|"]
        rows += [
            _row(name, definition)
            for name, definition in settings_of(plugin).items()
            if is_own(name)
        ]
        text = _between(
            text,
            rf"(<!-- settings of {plugin} -->\n)(.*?)(<!-- end -->)",
            "\n".join(rows) + "\n",
        )
    return text


def hub_text(plugin: str, _: str) -> str:
    """Write a plugin's MeltanoHub definition."""
    return _as_yaml(hub_definition(plugin), 0)


def _row(name: str, definition: dict[str, Any]) -> str:
    default = definition.get("default")
    shown = default if isinstance(default, str) else json.dumps(default)
    cell = "none" if default in (None, "") else f"`{shown}`"
    secret = " Secret." if definition.get("secret") else ""
    meaning = _one_line(definition.get("description", "")).replace("|", "\\|")
    return f"| `{name}` | {cell} | {meaning}{secret} |"


def _label(name: str) -> str:
    first, *others = (WORDS.get(word, word) for word in name.split("_"))
    return " ".join([first[:1].upper() + first[1:], *others])


def _label_of(choice: str | bool) -> str:  # noqa: FBT001
    """Label a choice; text that reads like a boolean keeps its quotes."""
    return json.dumps(choice) if choice in BOOLEANS else str(choice)


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _as_yaml(value: Any, indent: int) -> str:  # noqa: ANN401
    stream = io.StringIO()
    _yaml.dump(value, stream)
    return "".join(f"{' ' * indent}{line}\n" for line in stream.getvalue().splitlines())


def _between(text: str, pattern: str, new: str) -> str:
    changed, count = re.subn(
        pattern, lambda match: match[1] + new + match[3], text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"expected one place for {pattern}, found {count}")
    return changed


_DROPPED: Final = frozenset(
    f"{stream}.*"
    for stream in (
        "users_behaviors_app_newsfeedimpression",
        "users_messages_newsfeedcard_abort",
        "users_messages_newsfeedcard_click",
        "users_messages_newsfeedcard_impression",
        "users_messages_sms_carriersend",
    )
)
_ADDED: Final = (
    "users_campaigns_abort.*",
    "users_canvas_abort.*",
    *(
        f"users_messages_whatsapp_{action}.*"
        for action in ("abort", "delivery", "failure", "inboundreceive", "read", "send")
    ),
)
NEWEST_NATIVE_EVENTS: Final = "hub/extractors/tap-braze-currents.native-events-57.json"
"""The list of Braze's newest partner page, to be selected instead."""
NATIVE_EVENTS: Final = "hub/extractors/tap-braze-currents.native-events.json"
"""The selection by itself: `meltano add --from-ref` drops `select` from a definition."""
WRITTEN: Final[dict[str, Callable[[str], str]]] = {
    "meltano.yml": with_settings_in_meltano_yml,
    NATIVE_EVENTS: lambda _: json.dumps(native_streams(), indent=1) + "\n",
    NEWEST_NATIVE_EVENTS: lambda _: json.dumps(newest_native_streams(), indent=1) + "\n",
    "README.md": with_tables_in_readme,
    **{hub_path(plugin): partial(hub_text, plugin) for plugin in PLUGINS},
}
"""File → the function that updates its text."""


def main() -> None:
    """Update all files."""
    for name, update in WRITTEN.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if path.exists() else ""
        path.write_text(update(before), "utf-8")


if __name__ == "__main__":
    main()
