"""Decide what to do with each cohort, and guard against wrong removals. Pure."""
