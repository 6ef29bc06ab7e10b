"""A buddy allocator: pieces of powers of two, cut in halves and joined again.

Knowlton, A fast storage allocator, CACM 1965. A piece of order n has 2**n units and begins at a
multiple of that; its buddy is the other half of the piece it was cut out of. Room for a piece is
there only if a free one is as large: what lies free in smaller ones is external fragmentation.
"""

from bisect import bisect_left, insort


class Buddy:
    """Units [0, total). Which piece is taken depends on what is free alone: the lowest."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        """Units in no taken piece."""
        self._free: list[list[int]] = [[] for _ in range(total.bit_length())]
        """By order: where free pieces begin, ascending."""
        self._taken: dict[int, int] = {}
        """Order of each taken piece, by where it begins."""
        at = 0
        for order in reversed(range(total.bit_length())):
            if total >> order & 1:
                self._free[order].append(at)
                at += 1 << order

    @property
    def largest(self) -> int:
        """Units of the largest piece there can be."""
        return 1 << self.total.bit_length() >> 1

    def fits(self, units: int) -> bool:
        """Whether a free piece has so many units."""
        return any(self._free[_order(units) :])

    def take(self, units: int) -> int:
        """Take the lowest of the smallest free pieces that have `units`; where it begins."""
        order = _order(units)
        found = next(at for at in range(order, len(self._free)) if self._free[at])
        place = self._free[found].pop(0)
        for half in reversed(range(order, found)):
            insort(self._free[half], place + (1 << half))
        self._taken[place] = order
        self.free -= 1 << order
        return place

    def size(self, place: int) -> int:
        """Units of the piece that begins at `place`."""
        return 1 << self._taken[place]

    def give(self, place: int) -> int:
        """Give a piece back, joined with its buddy as long as that is free; its units."""
        order = first = self._taken.pop(place)
        self.free += 1 << order
        while order < len(self._free) - 1:
            free, buddy = self._free[order], place ^ 1 << order
            at = bisect_left(free, buddy)
            if at == len(free) or free[at] != buddy:
                break
            del free[at]
            place, order = min(place, buddy), order + 1
        insort(self._free[order], place)
        return 1 << first

    def check(self) -> None:
        """Free and taken pieces are all units, once each."""
        pieces = [(at, order) for order, free in enumerate(self._free) for at in free]
        assert self.free == sum(1 << order for _, order in pieces)
        end = 0
        for at, order in sorted([*pieces, *self._taken.items()]):
            assert at == end
            assert not at & (1 << order) - 1
            end = at + (1 << order)
        assert end == self.total


def _order(units: int) -> int:
    """Of the smallest piece that has `units`."""
    return max(units - 1, 0).bit_length()
