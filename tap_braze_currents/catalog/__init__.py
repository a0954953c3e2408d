"""Which event types there are: the registry, and discovery of what it does not know."""
