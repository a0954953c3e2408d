"""Read cohorts from Mixpanel's query API, within its rate limits."""
