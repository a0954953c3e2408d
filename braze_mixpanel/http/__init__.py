"""Code that all HTTP clients share: the send loop with retries, rate limits, and errors."""
