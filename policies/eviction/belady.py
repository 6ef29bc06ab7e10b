"""Eviction: the best that any policy could do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from kvsim.errors import InputError
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("belady")
@dataclass(slots=True)
class Belady(Eviction):
    """An oracle: what is needed again last goes first, at once if never (MIN with bypass).

    Of segments needed by the same request the deeper goes first. Belady, A study of replacement
    algorithms for a virtual-storage computer, IBM Systems Journal 1966. Reads `next_use`, which
    only a replay without time can know.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})
    _order: Order[float] = field(init=False, repr=False, default_factory=Order)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Its next use is a later one now."""
        next_use: int | None = getattr(segment, "next_use", None)
        if next_use is None:
            raise InputError(
                "eviction 'belady' needs the future, which is known in `kvsim hitrate` only."
            )
        self._order.put(segment, -next_use)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again."""
        self._order.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both are needed when the deeper one is."""
        self._order.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The one needed last."""
        return self._order.first(evictable)
