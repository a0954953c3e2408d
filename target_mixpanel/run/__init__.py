"""One run: every record gets an outcome, STATE follows the outcomes, the end is reported."""
