"""Whether a replica takes a request at all."""
