"""Sending changes to Braze: requests, what their answers mean, and acknowledgements."""
