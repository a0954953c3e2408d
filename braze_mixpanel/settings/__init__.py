"""Read settings, check them, and keep secrets out of the logs."""
