"""Where the times of a step come from."""
