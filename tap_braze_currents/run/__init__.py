"""Read the planned files in order, and emit STATE for the files that were read."""
