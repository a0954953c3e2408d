"""A tap on the SDK's ordinary way: fastavro, one record after the other through `Stream`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.conform import TypeConformanceLevel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_JSON_TYPES = {"string": "string", "int": "integer", "long": "integer", "boolean": "boolean"}


class AvroStream(Stream):
    """All files of one event type."""

    def __init__(self, tap: Tap, name: str, files: list[Path]) -> None:
        """Take the schema from the first file."""
        self._files = files
        with files[0].open("rb") as file:
            fields = fastavro.reader(file).writer_schema["fields"]  # type: ignore[index, call-overload]
        schema = {
            "type": "object",
            "properties": {field["name"]: _json_schema(field["type"]) for field in fields},
        }
        super().__init__(tap, schema, name)
        self.primary_keys = ["id"]

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Read file by file."""
        for path in self._files:
            with path.open("rb") as file:
                yield from fastavro.reader(file)  # type: ignore[misc]


class OrdinaryTap(Tap):
    """The tap that one would write in an afternoon."""

    name = "tap-ordinary"
    stream_class: type[AvroStream] = AvroStream
    config_jsonschema = th.PropertiesList(
        th.Property("storage_url", th.StringType, required=True)
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Make a stream for each event type that has files."""
        files: dict[str, list[Path]] = {}
        for path in sorted(Path(self.config["storage_url"]).rglob("*.avro")):
            part = next(part for part in path.parts if part.startswith("event_type="))
            name = part.partition("=")[2].lower().replace(".", "_")
            files.setdefault(name, []).append(path)
        return [self.stream_class(self, name, paths) for name, paths in files.items()]


class MsgSpecTap(OrdinaryTap):
    """The same with the SDK's faster writer."""

    message_writer_class = MsgSpecWriter


def _json_schema(avro_type: Any) -> dict[str, Any]:  # noqa: ANN401
    if isinstance(avro_type, list):
        inner = _json_schema(next(branch for branch in avro_type if branch != "null"))
        return {**inner, "type": [inner["type"], "null"]}
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        return {"type": "array", "items": _json_schema(avro_type["items"])}
    if isinstance(avro_type, dict):
        return _json_schema(avro_type["type"])
    return {"type": _JSON_TYPES.get(avro_type, "number")}


class UncheckedStream(AvroStream):
    """The same without the SDK's check of every value's type, which Avro has done already."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE


class UncheckedTap(MsgSpecTap):
    """The best that the SDK's ordinary way can do."""

    stream_class = UncheckedStream


TAPS = {"--msgspec": MsgSpecTap, "--unchecked": UncheckedTap}

if __name__ == "__main__":
    tap = TAPS.get(sys.argv[1], OrdinaryTap)
    if tap is not OrdinaryTap:
        del sys.argv[1]
    tap.cli()
