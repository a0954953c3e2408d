"""Compares a bucket with the registry of event types, for the command `--changes`."""
