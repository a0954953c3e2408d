"""The packages: imports in one direction, the SDK's private parts in one place."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from functools import cache
from pathlib import Path

import braze_mixpanel

ROOT = Path(braze_mixpanel.__file__).parents[1]
NOT_SHIPPED = {"tests", "bench", "tools"}
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
SDK_MODULE = "braze_mixpanel.sdk"

PRIVATE_IMPORTS = {
    "singer_sdk.configuration._dict_config": {
        "TRUTHY",
        "merge_missing_config_jsonschema",
        "parse_environment_config",
    },
    "singer_sdk.helpers._batch": {"BatchConfig", "SDKBatchMessage", "StorageTarget"},
    "singer_sdk.helpers._classproperty": {"classproperty"},
    "singer_sdk.plugin_base": {"_ConfigInput"},
}
PRIVATE_ATTRIBUTES = {
    # settings and signals
    "_config",
    "_env_var_config",
    "_env_var_prefix",
    "_handle_termination",
    "_validate_config",
    # messages that a target takes
    "_latest_state",
    "_process_activate_version_message",
    "_process_batch_message",
    "_process_record_message",
    "_process_schema_message",
    "_process_state_message",
    # messages that a stream writes, and the state of both
    "_generate_record_messages",
    "_generate_schema_messages",
    "_sync_batches",
    "_sync_records",
    "_write_record_message",
    "_write_schema_message",
    "_write_state_message",
    # files of BATCH messages
    "_root_path",
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


def imports(name: str) -> set[str]:
    """Every module of ours that a module imports: at its top, in functions, for types, by name."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively"
            module = str(node.module)
            found |= {
                inner if (inner := f"{module}.{alias.name}") in MODULES else module
                for alias in node.names
            }
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            found |= {str(given.value) for given in node.args if isinstance(given, ast.Constant)}
    return (found & set(MODULES)) - {name}


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """Find modules that import each other, in the order in which they do; empty if none do."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges[name]):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def room(name: str) -> str:
    """The folder of a module within its package, or the module itself if it lies beside them."""
    return ".".join(name.split(".")[:2])


def rooms() -> dict[str, set[str]]:
    """Each room with the rooms that its modules import from."""
    found: dict[str, set[str]] = {room(name): set() for name in MODULES}
    for name in MODULES:
        found[room(name)] |= {room(other) for other in imports(name)} - {room(name)}
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def private_names(cls: type) -> set[str]:
    """The private attributes of a class of the SDK, those set in its methods included."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    attributes = {
        node.attr
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    }
    return {name for name in attributes | set(vars(cls)) if is_private(name)}


def private_uses(name: str) -> set[str]:
    """The private attributes of SDK classes that a module's classes define, read or call."""
    if name.endswith("__main__"):
        return set()  # to import it would be to run it
    module = importlib.import_module(name)
    found = set()
    for node in tree(name).body:
        cls = getattr(module, node.name, None) if isinstance(node, ast.ClassDef) else None
        bases = [b for b in getattr(cls, "__mro__", ()) if b.__module__.startswith("singer_sdk")]
        of_sdk = set().union(*map(private_names, bases))
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute):
                used = {inner.attr}
            elif isinstance(inner, ast.FunctionDef):
                used = {inner.name}
            else:
                continue
            found |= used & of_sdk
    return found


def private_imports(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            pairs = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pairs = [(str(node.module), alias.name) for alias in node.names]
        else:
            continue
        for module, imported in pairs:
            parts = [*module.split("."), imported]
            if parts[0] == "singer_sdk" and any(map(is_private, parts)):
                found.setdefault(module, set()).add(imported)
    return found


def test_no_two_modules_import_each_other_not_even_for_types():
    assert cycle({name: imports(name) for name in MODULES}) == []


def test_no_two_rooms_import_from_each_other():
    assert cycle(rooms()) == []


def test_the_shared_package_imports_from_no_plugin_and_no_plugin_from_another():
    foreign = {
        (name, other)
        for name in MODULES
        for other in imports(name)
        if other.partition(".")[0] not in {name.partition(".")[0], "braze_mixpanel"}
    }
    assert foreign == set()


def test_a_cycle_would_be_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]


def test_imports_for_types_and_inside_functions_are_seen():
    assert "braze_mixpanel.files.dead_letter" in imports("target_mixpanel.run.pipeline")
    assert "target_braze_cohorts.run.open_run" in imports("target_braze_cohorts.target")


def test_private_parts_of_the_sdk_are_imported_in_one_module_only():
    found = {name: private_imports(name) for name in MODULES}
    assert {name: names for name, names in found.items() if names} == {SDK_MODULE: PRIVATE_IMPORTS}


def test_private_attributes_of_the_sdk_are_used_in_one_module_only():
    found = {name: private_uses(name) for name in MODULES if name != SDK_MODULE}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_private_attribute_would_be_found():
    assert private_uses(SDK_MODULE) == PRIVATE_ATTRIBUTES - {"_root_path"}


def test_each_private_attribute_that_is_used_is_one_that_was_decided_upon():
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for node in ast.walk(tree(SDK_MODULE))
        if isinstance(node, ast.Attribute | ast.FunctionDef)
    }
    assert {name for name in used if is_private(name)} == PRIVATE_ATTRIBUTES


def test_every_folder_says_its_idea():
    silent = [
        name
        for name, path in MODULES.items()
        if path.name == "__init__.py" and not ast.get_docstring(tree(name))
    ]
    assert silent == []


def test_no_module_is_longer_than_a_reader_can_keep_in_mind():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
