"""kvsim: what an LLM-serving system will do, before it is bought. Start with `kvsim run`."""

__version__ = "0.1.0"
