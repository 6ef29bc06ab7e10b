"""Benchmarks on the real device: an island, torch and triton live here only."""
