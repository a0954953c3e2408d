"""Output of the tap besides RECORD messages: the files of BATCH messages."""
