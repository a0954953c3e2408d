"""Emit for each cohort its complete list or its changes, never both in one run."""
