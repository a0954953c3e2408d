"""Writes what leaves the tap: Singer messages on standard output, and BATCH files."""
