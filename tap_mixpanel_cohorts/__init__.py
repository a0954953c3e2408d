"""Reads Mixpanel cohorts and their members, from the query API or from Mixpanel's own sync."""
