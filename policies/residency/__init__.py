"""Where a replica's weights and KV live, and who attends to KV that is not in HBM."""
