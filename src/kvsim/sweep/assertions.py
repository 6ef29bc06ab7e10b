"""`ttft_s.p99 < 2 s`: a claim about a summary, read and checked without running code."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from kvsim.errors import InputError, perhaps
from kvsim.sweep.table import at
from kvsim.units import SECOND, duration

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip
FORM = re.compile(r"^\s*([\w.-]+)\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*$")


class Checked(NamedTuple):
    """One claim and what was found."""

    claim: str
    holds: bool
    found: float | None


def check(summary: dict[str, Any], claim: str) -> Checked:
    """Whether `claim` holds. Raises InputError for what is no claim, or names no number.

    Times may have a unit, as in `2 s`; shares may be written as `90 %`.
    """
    match = FORM.match(claim)
    if match is None:
        raise InputError(f"--assert {claim!r}: write it as 'ttft_s.p99 < 2 s'.")
    path, sign, text = match.groups()
    found = at(summary, path)
    if isinstance(found, dict) or (found is None and not _known(summary, path)):
        known = list(_paths(summary))
        raise InputError(f"--assert {claim!r}: the summary has no {path!r}.{perhaps(path, known)}")
    if found is not None and not isinstance(found, int | float):
        raise InputError(f"--assert {claim!r}: {path} is {found!r}, which is not a number.")
    holds = found is not None and COMPARISONS[sign](float(found), _number(text, claim))
    return Checked(claim, bool(holds), None if found is None else float(found))


def _number(text: str, claim: str) -> float:
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        pass
    try:
        return duration(text) / SECOND
    except InputError:
        raise InputError(f"--assert {claim!r}: {text!r} is no number, no time, no share.") from None


def _known(summary: dict[str, Any], path: str) -> bool:
    return path in set(_paths(summary))


def _paths(value: Any, before: str = "") -> "list[str]":
    if not isinstance(value, dict):
        return [before]
    found = []
    for key, inner in value.items():
        found += _paths(inner, f"{before}.{key}" if before else str(key))
    return found
