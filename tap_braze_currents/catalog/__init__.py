"""Event types: the registry of the types that Braze has published, and discovery of new ones."""
