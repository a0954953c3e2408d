"""Decides what to do with each cohort, and guards against wrong removals. Pure."""
