"""The Singer protocol: command line, messages, stream maps and BATCH files."""
