"""One run, from the end of the input to the report."""
