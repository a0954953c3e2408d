"""Bounds on the size, the counts and the nesting of one file.

They are generous: files that Braze writes are far below them. With them, a damaged or hostile file
is only one broken file, and cannot take all memory or time of the run.
"""

from __future__ import annotations

from typing import Final

HEADER_BYTES: Final = 1 << 20
"""Avro: the header, which is mostly the schema. Braze's headers have 2 to 10 kB."""
BLOCK_BYTES: Final = 128 << 20
"""Avro: one block after decompression. Programs write blocks of 16 kB to 64 MB."""
FILE_BYTES: Final = 512 << 20
"""A stored file. The whole file is in memory. Braze's files have up to about 12 MB."""
UNPACKED_BYTES: Final = 1 << 30
"""Avro: all blocks of a file after decompression, one group after the other."""
UNZIPPED_BYTES: Final = 256 << 20
"""A gzipped file after decompression. The whole result is in memory."""
FREE_RECORDS: Final = 1_000_000
RECORDS_PER_BYTE: Final = 8
"""Avro: the records that a file may claim: `FREE_RECORDS`, and 8 more for each byte of the file.
Each event has its own id, so even a well compressed event takes some bytes."""
SCHEMA_DEPTH: Final = 32
"""Avro: levels of nested types. Braze's schemas have three. Decoding is recursive."""
SCHEMA_TYPES: Final = 20_000
"""Avro: types in a schema. A named type counts each time it is used."""
EMPTY_VALUES: Final = 100
"""Avro: values of a record that take no bytes (`null`). They take time, but no bytes bound their
number."""
NAME_LENGTH: Final = 1000
"""Avro: characters in the name of a record, a field or an enum's symbol."""
DECIMAL_BYTES: Final = 500
"""Avro: one decimal, about 1,200 digits. Its conversion takes more than linear time."""
FREE_VALUES: Final = 1_000_000
VALUES_AN_EVENT: Final = 1_000
"""JSON: commas and brackets that open, all in all and for each event more: every value is an object
in memory, and a list of small ones takes forty times its text."""
JSON_DEPTH: Final = 1_000
"""JSON: levels of nested objects and lists in a file that is not strict JSON."""
NEW_TYPES: Final = 300
"""Event types that discovery adds to the known ones, which are about 110. Each becomes a stream,
and each stream reads every JSON file that contains its events."""
NEW_FIELDS: Final = 2_000
"""Fields that discovery adds to one event type. Braze's event types have up to 60."""
TEXT_BYTES: Final = 64 << 20
"""Avro: the estimated JSON size of a group of blocks. Above it, records are decoded a few at a
time. JSON repeats the field names, so it is much longer than Avro."""
