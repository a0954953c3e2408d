"""Decode files: bytes of any supported format become flat JSON records.

The order in which the modules call each other:

    bytes → event_file (which format?) ┬→ avro_container → avro_schema, codecs → avro_decoding
                                       └→ json_text → json_events
          → Rows (NDJSON), see records

Other programs may write to the bucket, so no file is trusted. `limits` holds all bounds, and the
numbers that a file claims are checked against its bytes before a native library uses them.
"""
