"""Mixpanel's query API: requests within its limits, and the pages of one cohort."""
