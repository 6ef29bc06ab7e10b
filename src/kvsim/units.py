"""Quantities with units, read once at the edge and integers (ns, bytes) from then on."""

import re

from kvsim.errors import InputError

Ns = int
"""An instant or a duration in nanoseconds."""

MS: Ns = 1_000_000
SECOND: Ns = 1_000_000_000

# fmt: off
_TIME = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": MS, "s": SECOND, "min": 60 * SECOND,
         "h": 3600 * SECOND, "d": 86_400 * SECOND}
_SIZE = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
         "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_FLOPS = {"FLOP/s": 1.0, "GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15}
# fmt: on
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


def _split(text: object, what: str, example: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(str(text))
    if found is None or isinstance(text, bool):
        raise InputError(f"{text!r} is not a {what}. Write it as {example!r}.")
    return float(found[1]), found[2]


def _scaled(text: object, table: dict[str, int], what: str, example: str) -> int:
    number, unit = _split(text, what, example)
    if unit not in table:
        found = f"has the unit {unit!r}" if unit else "has no unit"
        units = ", ".join(table)
        raise InputError(f"{text!r} {found}; a {what} needs one of {units}: write {example!r}.")
    if number < 0:
        raise InputError(f"{text!r} is negative; a {what} is not.")
    return round(number * table[unit])


def duration(text: object) -> Ns:
    """`"50 ms"` as nanoseconds. Raises InputError without a unit of time."""
    return _scaled(text, _TIME, "duration", "50 ms")


def size(text: object) -> int:
    """`"512 GiB"` as bytes. Raises InputError without a unit of size."""
    return _scaled(text, _SIZE, "size", "512 GiB")


def bandwidth(text: object) -> float:
    """`"3.35 TB/s"` as bytes per second. Raises InputError without a unit."""
    number, unit = _split(text, "bandwidth", "3.35 TB/s")
    if not unit.endswith("/s") or unit[:-2] not in _SIZE or number < 0:
        raise InputError(f"{text!r} is not a bandwidth. Write it as '3.35 TB/s'.")
    return number * _SIZE[unit[:-2]]


def rate(text: object) -> float:
    """`"1.5/s"` as events per second; per min and per h are allowed."""
    number, unit = _split(text, "rate", "1.5/s")
    if not unit.startswith("/") or unit[1:] not in _TIME or number < 0:
        raise InputError(f"{text!r} is not a rate. Write it as '1.5/s'.")
    return number * SECOND / _TIME[unit[1:]]


def flops(text: object) -> float:
    """`"989 TFLOP/s"` as floating-point operations per second."""
    number, unit = _split(text, "compute rate", "989 TFLOP/s")
    if unit not in _FLOPS or number < 0:
        raise InputError(f"{text!r} is not a compute rate. Write it as '989 TFLOP/s'.")
    return number * _FLOPS[unit]


def seconds(ns: float) -> float:
    """Nanoseconds as seconds, for people."""
    return ns / SECOND
