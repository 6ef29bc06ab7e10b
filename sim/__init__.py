"""The machine: asks questions, moves bytes and time. Knows no policy by name."""
