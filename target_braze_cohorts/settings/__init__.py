"""The settings, where Braze is reached, and mistakes that their schema cannot express."""
