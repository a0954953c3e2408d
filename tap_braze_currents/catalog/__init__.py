"""The event types: a registry of those that Braze published, and discovery of others."""
