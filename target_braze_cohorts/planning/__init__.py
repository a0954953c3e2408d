"""What to do with each cohort: the difference, and the guards against wrong removals."""
