"""Bounds on what one file may claim, unpack to, or nest.

They are generous: a file that Braze writes stays far below each. They exist so that a damaged or
hostile file is one broken file, and not a run that is out of memory or time.
"""

from __future__ import annotations

from typing import Final

HEADER_BYTES: Final = 1 << 20
"""Avro: the header, which is mostly the schema. Braze's take 2 to 10 kB."""
BLOCK_BYTES: Final = 128 << 20
"""Avro: one block after decompression. Writers make blocks of 16 kB to 64 MB."""
FILE_BYTES: Final = 512 << 20
"""A file as it is stored; it is held in memory as a whole. Braze's take up to about 12 MB."""
UNPACKED_BYTES: Final = 1 << 30
"""Avro: all blocks of a file after decompression, one group after the other."""
UNZIPPED_BYTES: Final = 256 << 20
"""A gzipped file after decompression; it is held in memory as a whole."""
FREE_RECORDS: Final = 1_000_000
RECORDS_PER_BYTE: Final = 8
"""Avro: a file claims at most `FREE_RECORDS`, and so many more for each byte it has. Each event
has an id of its own, so even a well compressed one takes some bytes."""
SCHEMA_DEPTH: Final = 32
"""Avro: types inside types. Braze's nest three deep; decoding is recursive."""
SCHEMA_TYPES: Final = 20_000
"""Avro: types in a schema, with named types counted wherever they are used."""
EMPTY_VALUES: Final = 100
"""Avro: values of a record that take no bytes (`null`): they cost time that no byte pays for."""
NAME_LENGTH: Final = 1000
"""Avro: characters in the name of a record, a field or an enum's symbol."""
DECIMAL_BYTES: Final = 500
"""Avro: one decimal, about 1,200 digits. Conversion takes more than linear time."""
FREE_VALUES: Final = 1_000_000
VALUES_AN_EVENT: Final = 1_000
"""JSON: commas and brackets that open, all in all and for each event more: every value is an object
in memory, and a list of small ones takes forty times its text."""
JSON_DEPTH: Final = 1_000
"""JSON: objects and lists in one another, where a file is no strict JSON."""
NEW_TYPES: Final = 300
"""Event types that discovery adds to those known beforehand, which are about 110. Each is a stream
that reads every JSON file in which it occurs."""
NEW_FIELDS: Final = 2_000
"""Fields that discovery adds to one event type. Braze's types have up to 60."""
TEXT_BYTES: Final = 64 << 20
"""Avro: estimated JSON text of one group of blocks, above which records are decoded a few at a
time. Names make a record's text much longer than its bytes."""
