"""What the three plugins share: errors, settings, dead letter, redaction, Singer input."""
