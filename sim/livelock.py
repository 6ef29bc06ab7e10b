"""The error of policies that go round in circles."""

THRASHING = 200_000
"""Preemptions in a row, with no request finished in between, that no healthy replica sees."""


class LivelockError(RuntimeError):
    """Policies keep a replica busy with nothing: a fault of theirs, never of the input."""
