"""Reads the planned files in order, and emits the STATE that covers their records."""
