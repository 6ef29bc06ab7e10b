"""Which segment leaves a full tier."""
