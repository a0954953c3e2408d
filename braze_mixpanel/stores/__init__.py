"""Object stores: the URL of a place, each cloud's credentials and options, and errors in a line."""
