"""Write the files of a run: the dead letter, and other files that only their owner can read."""
