"""Whether KV that a lower tier holds is loaded or computed again."""
