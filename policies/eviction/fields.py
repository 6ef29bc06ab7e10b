"""Checks of policies' fields. Not a policy."""

from kvsim.errors import InputError


def within(low: float, value: float, high: float, what: str) -> None:
    """Raises InputError unless `low` <= `value` <= `high`."""
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise InputError(f"eviction {what}: found {value}; allowed: {bounds}.")
