"""Who leaves when memory runs out, and what becomes of its KV."""
