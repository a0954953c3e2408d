"""Which files a run reads: the bookmark of what is done, and the files still to read."""
