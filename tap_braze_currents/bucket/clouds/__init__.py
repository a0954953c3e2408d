"""Opens the store that a URL names: each cloud's credentials and options, under the usual names."""
