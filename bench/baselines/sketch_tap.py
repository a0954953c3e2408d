"""The bare sketch of the tap: whole files to NDJSON, no settings, no state, no selection."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def main() -> None:
    """Write RECORD lines of every file below the folder that is given."""
    out = sys.stdout.buffer
    for path in sorted(Path(sys.argv[1]).rglob("*.avro")):
        part = next(part for part in path.parts if part.startswith("event_type="))
        stream = part.partition("=")[2].lower().replace(".", "_").encode()
        prefix = b'{"type":"RECORD","stream":"' + stream + b'","record":'
        lines: str = pl.read_avro(path).write_ndjson()
        text = lines.encode()
        out.write(prefix + text[:-1].replace(b"\n", b"}\n" + prefix) + b"}\n")
    out.flush()


if __name__ == "__main__":
    main()
