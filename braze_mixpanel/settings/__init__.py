"""Settings: read from the environment, checked, and kept out of logs."""
