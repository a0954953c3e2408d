"""From events to Mixpanel: batches, requests, answers, retries; or the file of a dry run."""
