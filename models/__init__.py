"""Transformer architectures: what they store per token and what they compute."""
