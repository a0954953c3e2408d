"""Compare a bucket with the registry of event types, for the option `--changes`."""
