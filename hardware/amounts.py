"""Quantities that only spec sheets have: counts, watts, shares, dollars."""

import re
from collections.abc import Callable

from kvsim.errors import InputError

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


def count(value: object) -> int:
    """A whole number of things: no unit."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{value!r} is not a count. Write a whole number, as 132.")
    return value


def watts(value: object) -> float:
    """`"700 W"` as watts."""
    return _of(value, {"W": 1.0, "kW": 1000.0}, "power", "700 W")


def share(value: object) -> float:
    """`"86 %"` as 0.86."""
    part = _of(value, {"%": 0.01}, "share", "86 %")
    if part > 1:
        raise InputError(f"{value!r} is more than 100 %.")
    return part


def dollars(per: str) -> Callable[[object], float]:
    """A reader of prices in US dollars `per` something: `dollars("h")` reads `"2.99 USD/h"`."""
    unit = f"USD/{per}"
    return lambda value: _of(value, {unit: 1.0}, "price", f"2.99 {unit}")


def _of(value: object, units: dict[str, float], what: str, example: str) -> float:
    found = _NUMBER.fullmatch(str(value))
    if found is None or found[2] not in units:
        raise InputError(f"{value!r} is not a {what}. Write it as {example!r}.")
    if float(found[1]) < 0:
        raise InputError(f"{value!r} is negative; a {what} is not.")
    return float(found[1]) * units[found[2]]
