"""From events to Mixpanel: batches, requests, answers and retries; or the file of a dry run."""
