"""The settings, Braze's endpoints, and the checks that a JSON Schema cannot express."""
