"""The question which segment leaves a full tier."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from kvsim.sim.policy.views import SegmentView
from kvsim.units import Ns


class Eviction(ABC):
    """Which segment leaves a full tier. One instance per tier; keeps order, not sizes.

    The life of a segment: `touched` when it is inserted, and again at each hit; `locked` when its
    first reader comes and `released` when its last one goes; `removed` at the end. An insertion is
    locked from the start, except in a replay without time. What is on a path to a locked segment is
    locked too, and what has others below it cannot leave: `evictable` knows. Calls should cost
    O(log n) at most, amortised; `kvsim.policies.eviction.order` keeps books that do.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    """`{"future"}` for an oracle: it is then given `Foretold` segments, and reports say so."""

    @abstractmethod
    def touched(self, segment: SegmentView, now: Ns) -> None:
        """`segment` was inserted or hit: once per reader, the deepest of a path first."""

    @abstractmethod
    def removed(self, segment: SegmentView) -> None:
        """`segment` is gone from the tier, whoever decided it. Forget it.

        `segment.parent` still names the one above, which may be free to leave from now on.
        """

    @abstractmethod
    def victim(self, evictable: Callable[..., bool]) -> SegmentView | None:
        """The next to go among those `evictable`. None: nothing may go.

        Decides only: the tier cuts as much off the victim's tail as it needs, and calls `removed`
        if that was all. Asked again with no verb in between, it says the same. What was refused
        needs no second asking until `released` names it, or `removed` names one right below it.
        """

    def locked(self, segment: SegmentView) -> None:
        """`segment` got its first reader and cannot leave. A use, or a copy, which is no use."""
        del segment

    def released(self, segment: SegmentView, now: Ns) -> None:
        """The last reader of `segment` has gone. Called for the deepest of its path first.

        vLLM's free queue is in this order, so that a sequence's last block leaves first.
        """
        del segment, now

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """`segment` lost its first tokens to `head`, which is new, and now its parent.

        `head` has been used and is locked as `segment` is; it is neither touched nor locked for
        that. `segment` has a new key and depth.
        """
        del segment, head

    def awaited(self, segment: SegmentView, place: int | None) -> None:
        """Waiting requests will read `segment`; the first of them is number `place` in the queue.

        Numbers count from the start of the run, so that they need no change as the queue moves.
        None: nobody waits for it any more.
        """
        del segment, place
