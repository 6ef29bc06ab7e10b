"""Requests: readers of public formats, generators, inspection."""
