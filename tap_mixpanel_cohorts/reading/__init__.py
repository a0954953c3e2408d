"""What one run gives out: cohort by cohort, a complete list or the changes, never both."""
