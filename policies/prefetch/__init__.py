"""When KV that is on its way up is needed."""
