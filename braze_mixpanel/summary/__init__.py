"""The summary of a run in JSON: what an orchestrator and its alerts need to know of it."""
