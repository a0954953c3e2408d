"""Run the target from the end of the input: plan, deliver, and report the result."""
