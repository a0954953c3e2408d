"""Read the input: cohorts, members and changes, and the proof that a list is complete."""
