"""Send changes to Braze: requests, the meaning of responses, and acknowledgements."""
