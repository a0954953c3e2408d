"""Decide which files a run reads: the bookmark of earlier runs, and the listing of the bucket."""
