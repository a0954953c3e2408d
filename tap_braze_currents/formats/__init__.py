"""What a file holds: Avro containers and JSON events, decoded to records."""
