"""The settings, Braze's endpoints, and the checks that a schema cannot express."""
