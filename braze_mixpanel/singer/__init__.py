"""The Singer protocol: the plugins' command line, messages, stream maps and BATCH files."""
