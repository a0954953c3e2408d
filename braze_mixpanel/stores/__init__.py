"""Object stores: URLs, credentials and options of each cloud, and one-line errors."""
