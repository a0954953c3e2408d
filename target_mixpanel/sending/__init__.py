"""Send events to Mixpanel: batches, requests, responses and retries. Or write a dry run's file."""
