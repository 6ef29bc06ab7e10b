"""Eviction: by place in the prompt."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("length_aware")
@dataclass(slots=True)
class LengthAware(Eviction):
    """What comes latest in its prompt goes first; of equals, the least frequently used.

    LengthAwareCache of Qin et al., Mooncake, arXiv 2407.00079, section 4.2: as LFU, but evicting
    blocks that occur later in requests.
    """

    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more."""
        self._uses[segment] = self._uses.get(segment, 0) + 1
        self._rank(segment)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now, but no oftener."""
        self._rank(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used as often; the tail is deeper than it was."""
        self._uses[head] = self._uses[segment]
        self._rank(segment)
        self._rank(head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        del self._uses[segment]
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The deepest."""
        return self._order.first(evictable)

    def _rank(self, segment: SegmentView) -> None:
        self._clock += 1
        self._order.put(segment, (-segment.depth, self._uses[segment], self._clock))
