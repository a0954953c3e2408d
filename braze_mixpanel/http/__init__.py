"""What every HTTP client shares: waits, pauses, addresses and credentials that do not work."""
