"""Singer tap for Mixpanel cohorts and their members, from the query API or from Mixpanel's sync."""
