"""Small pieces of public traces that travel with kvsim; README.md tells origin and licence."""
