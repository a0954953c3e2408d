"""Files that a run writes: the dead letter, and other files that only their owner can read."""
