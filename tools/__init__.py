"""What keeps the project's own texts in step with its code."""
