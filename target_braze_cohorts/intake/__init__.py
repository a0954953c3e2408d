"""What comes in: cohorts, members and changes, and whether a list is complete."""
