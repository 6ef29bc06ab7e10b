"""Write-back: what would leave a store next goes to the tier below before its room is needed.

A step cannot wait for a copy, so room is kept free ahead: while less than the asked share is, the
eviction policy's next victim is copied down, and leaves once the copy has landed. It is held until
then and can still be read; what is read again meanwhile stays. Room that is needed sooner is made
by plain eviction, and what goes that way is lost: the tier below counts it as missed.

A prefix index holds no tail without its head, so the first tail takes its head along. The head
stays above, and has been copied when its own turn to leave comes.
"""

from collections.abc import Callable

from kvsim.sim.carrier import Carrier
from kvsim.sim.fabric import Link
from kvsim.sim.prefix import PrefixTree, Segment
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Reach


class Demotion:
    """One store and the tier it is written back to."""

    def __init__(
        self, carrier: Carrier, tree: PrefixTree, free: Callable[[], int], ahead: int, reach: Reach
    ) -> None:
        self.carrier = carrier
        self.tree = tree
        self.free = free
        """Bytes of the store that hold nothing."""
        self.ahead = ahead
        """Bytes of the store that are to be free."""
        self.reach = reach
        self.path: tuple[Link, ...] = ()
        """Past HBM, where the store is a tier; empty: out of HBM."""
        self.on_land: Callable[[], None] = _nothing
        """Called when a copy has landed: the tier below may have to make room in its turn."""
        tree.signs = True
        reach.tier.above[tree] = None

    def make_room(self) -> None:
        """Send down what is next to leave, until enough is free or will be."""
        tree = self.tree
        while self.free() + tree.leaving < self.ahead:
            victim = tree.next_victim()
            if victim is None:
                return
            self._demote(victim)

    def _demote(self, victim: Segment) -> None:
        """Copy `victim` and what the tier lacks before it, then let it go; at once if it has it.

        What the tier refuses is dropped: it was next to leave anyway.
        """
        tree, tier, now = self.tree, self.reach.tier, self.carrier.fabric.clock.now
        text: Sequence = victim.text
        label_tokens = text.request.block_tokens or tree.block_tokens
        leaf, start = tier.tree.match(text.labels, label_tokens, victim.end)
        size = tier.bytes(victim.end - start)
        refusal = None
        if size:
            if start < leaf.end:
                leaf = tier.tree.split(leaf, start, label_tokens)
            tier.tree.hold(leaf)
            refusal = tier.reserve(size)
            if refusal:
                self.carrier.book(text, self.reach, refusal, start, victim.end, self.path)
                tier.tree.unlock(leaf, now)
        if refusal or not size:
            tree.demoted += tree.drop(victim, victim.depth)
            return
        self._copy(victim, leaf, start, size)

    def _copy(self, victim: Segment, leaf: Segment, start: int, size: int) -> None:
        """Move what lies behind token `start` of the path to `victim` down; then it leaves."""
        carrier, tier, text, end = self.carrier, self.reach.tier, victim.text, victim.end
        depth = victim.depth
        self.tree.pin(victim)
        carrier.recorder.level(tier, carrier.fabric.clock.now)

        def landed() -> None:
            at = carrier.fabric.clock.now
            carrier.on_land[0]()
            self.tree.unpin(victim, depth)
            tier.take(leaf, text, start, end, size, at)
            carrier.recorder.level(tier, at)
            self.on_land()
            carrier.on_land[1]()

        carrier.store(text, self.reach, "leaving", start, end, landed, self.path)


def _nothing() -> None:
    pass
