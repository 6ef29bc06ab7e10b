"""Paths of a grid or a space as columns of a table."""

from collections.abc import Iterable
from typing import NamedTuple

WIDTH = 36
"""Characters that heads of axes may take of a terminal's 80; letters stand for longer ones."""


class Heads(NamedTuple):
    """Heads, and lines that say what they stand for, if that is not plain."""

    heads: list[str]
    legend: list[str]


def heads(paths: Iterable[str]) -> Heads:
    """The last word of each path if all differ and fit; else letters."""
    names = list(paths)
    last = [name.rsplit(".", 1)[-1] for name in names]
    if len(set(last)) == len(last) and sum(map(len, last)) + 2 * len(last) <= WIDTH:
        return Heads(last, [])
    letters = [chr(ord("a") + at) if at < 26 else str(at) for at in range(len(names))]
    return Heads(letters, [f"{a}  {name}" for a, name in zip(letters, names, strict=True)])
