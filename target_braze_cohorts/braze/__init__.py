"""From changes to Braze: requests, answers, retries and acknowledgements."""
