"""How long cached KV was of use: bytes by age at their last use, and by look-ups that found them.

Counted where bytes leave, and at the end for what is still there; by classes, so that a long run
takes no more room than a short one.
"""

from bisect import bisect_right

from kvsim.units import SECOND, Ns

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
AGES: tuple[Ns, ...] = (
    1, SECOND, 3 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 10 * MINUTE, 30 * MINUTE,
    HOUR, 3 * HOUR,
)  # fmt: skip
"""Edges of the classes of age; the first class is that of what was never used after its birth."""


class Lifetimes:
    """Bytes by class."""

    def __init__(self) -> None:
        self.bytes: dict[tuple[int, int], int] = {}
        """By class of age (0 to the number of `AGES`) and number of reuses."""

    def add(self, born: Ns, used: Ns, reuses: int, size: int) -> None:
        """So many bytes were stored, last used at `used`, and found `reuses` times."""
        key = bisect_right(AGES, used - born), reuses
        self.bytes[key] = self.bytes.get(key, 0) + size

    def rows(self) -> list[tuple[Ns, int, int]]:
        """Least age of the class, reuses, bytes; in order."""
        return [((0, *AGES)[age], many, size) for (age, many), size in sorted(self.bytes.items())]
