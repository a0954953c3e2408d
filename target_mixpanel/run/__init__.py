"""Run the target: give every record an outcome, write STATE after the outcomes, report the end."""
