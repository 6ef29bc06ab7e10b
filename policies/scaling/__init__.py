"""How many replicas of a pool should be up."""
