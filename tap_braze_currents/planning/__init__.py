"""Decides which files a run reads: what earlier runs have done, and what is still to read."""
