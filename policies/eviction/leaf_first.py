"""Eviction: leaves of the radix tree."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("leaf_first")
@dataclass(slots=True)
class LeafFirst(Eviction):
    """The leaf of the prefix tree whose last use is longest ago goes first (SGLang).

    Zheng et al., SGLang: efficient execution of structured language model programs, NeurIPS 2024,
    section 3. As LRU, but of what was used at the same instant the deeper goes first, whichever
    request it was for; in a replay without time every block counts as a leaf.
    """

    _order: Order[float] = field(init=False, repr=False, default_factory=Order)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Used now."""
        self._order.put(segment, now)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now."""
        self._order.put(segment, now)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used together; the tail goes first."""
        self._order.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; its parent may now be a leaf."""
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent leaf."""
        return self._order.first(evictable)
