"""What every HTTP client shares: one loop that sends and retries, its waits, and its errors."""
