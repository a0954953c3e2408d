"""One run: every record gets an outcome, STATE follows the outcomes, and the end is reported."""
