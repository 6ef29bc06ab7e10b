"""How often names were used lately. Not a policy itself."""

from collections.abc import Hashable

MOST = 15
"""Uses are counted with four bits."""
SAMPLE = 10
"""Counts are halved after so many uses for each segment here."""


class RecentUses:
    """TinyLFU's counts, which outlive segments: exact, where the paper has a sketch."""

    __slots__ = ("_counted", "_uses")

    def __init__(self) -> None:
        self._uses: dict[Hashable, int] = {}
        self._counted = 0

    def __getitem__(self, name: Hashable) -> int:
        return self._uses.get(name, 0)

    def count(self, name: Hashable, segments: int) -> None:
        """One use more, in a cache of so many `segments`."""
        self._uses[name] = min(self[name] + 1, MOST)
        self._counted += 1
        if self._counted > SAMPLE * segments:
            self._counted //= 2
            self._uses = {name: uses // 2 for name, uses in self._uses.items() if uses > 1}
