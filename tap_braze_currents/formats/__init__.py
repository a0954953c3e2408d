"""What a file holds: bytes of any supported form become flat JSON records.

The way through this folder:

    bytes → event_file (which form is it?) ┬→ avro_container → avro_schema, codecs → avro_decoding
                                           └→ json_text → json_events
          → Rows (NDJSON), see records

A file comes from a bucket that others write to, so nothing in it is trusted: `limits` names every
bound, and what a file claims is checked against what it holds before a native library sees it.
"""
