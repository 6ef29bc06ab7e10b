"""Copying what one replica has computed into the tiers below, and what waits for a copy to end."""

from functools import partial
from itertools import pairwise
from math import gcd
from typing import Literal, NamedTuple

from kvsim.sim.carrier import Carrier
from kvsim.sim.demotion import Demotion
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import Stored
from kvsim.sim.prefix import Segment
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Reach, Tier

Moment = Literal["prefill", "every", "end"]


class Store(NamedTuple):
    """A copy to be made of the first `tokens` of a sequence, held in HBM down to `source`."""

    reach: Reach
    sequence: Sequence
    source: Segment
    tokens: int
    moment: Moment


class Stores:
    """One replica's copies on their way down. They hold their source until they have landed."""

    def __init__(self, memory: KVMemory, carrier: Carrier, reaches: tuple[Reach, ...]) -> None:
        self.memory = memory
        self.carrier = carrier
        self.reaches = reaches
        self._writing: dict[tuple[Tier, int], Store | None] = {}
        """Stores on their way by tier and sequence, and what is to be stored behind them."""
        self._demotions = _demotions(memory, carrier, reaches)
        self.is_closed = False
        """The memory is lost: nothing more can be copied out of it."""
        self.every = gcd(*(reach.tier.placement.every for reach in reaches)) * memory.block_tokens
        """Tokens after which some tier may keep more of an answer that goes on; 0: never."""

    def keep(self, sequence: Sequence, moment: Moment, tokens: int | None = None) -> None:
        """`sequence` has computed a stretch of KV: each tier keeps what its placement asks for.

        `tokens` of it, or as many as it says by itself. What is to be kept stays in HBM until it
        has been copied. A second stretch waits for the first.
        """
        tokens = sequence.computed if tokens is None else tokens
        now = self.carrier.fabric.clock.now
        self.memory.publish(sequence, tokens, now)
        leaf = sequence.leaf
        assert leaf is not None
        blocks = sequence.published // self.memory.block_tokens
        asker = sequence.request
        stored = Stored(
            sequence.published, moment, leaf.reuses, blocks, asker.session, asker.turn, asker.kind
        )
        for reach in self.reaches:
            tier = reach.tier
            source = self._kept(tier, stored, leaf)
            if source is None:
                continue
            self.memory.tree.hold(source)
            asked = Store(reach, sequence, source, min(stored.tokens, source.end), stored.moment)
            self.carrier.recorder.kept(sequence, tier.rank, tier.place, asked.tokens, now)
            key = (tier, sequence.id)
            if key not in self._writing:
                self._write(asked)
                continue
            before = self._writing[key]
            if before is not None:
                self.memory.tree.unlock(before.source, self.carrier.fabric.clock.now)
            self._writing[key] = asked
        if self._demotions and self._demotions[0].tree is self.memory.tree:
            self._demotions[0].make_room()

    def _make_room(self, tier: Tier) -> None:
        """Something has landed in `tier`: what is next to leave it goes further down."""
        for demotion in self._demotions:
            if demotion.tree is tier.tree:
                demotion.make_room()

    def _kept(self, tier: Tier, stored: Stored, leaf: Segment) -> Segment | None:
        """The end of the longest part of a stretch, from its head on, that `tier` is to keep."""
        source: Segment | None = leaf
        while source is not None and source.parent is not None:
            part = stored._replace(tokens=min(stored.tokens, source.end), reuses=source.reuses)
            if tier.placement.keeps(part):
                return source
            source = source.parent
        return None

    def _write(self, asked: Store) -> None:
        """Copy what the tier lacks; it can be read once it has landed."""
        reach, sequence = asked.reach, asked.sequence
        tier, tree, now = reach.tier, reach.tier.tree, self.carrier.fabric.clock.now
        labels, label_tokens = (
            sequence.labels,
            sequence.request.block_tokens or self.memory.block_tokens,
        )
        leaf, start = tree.match(labels, label_tokens, asked.tokens)
        size = tier.bytes(asked.tokens - start)
        if start < leaf.end and size:
            leaf = tree.split(leaf, start, label_tokens)
        tree.hold(leaf)
        refusal = tier.reserve(size) if size else None
        if refusal:
            self.carrier.book(sequence, reach, refusal, start, asked.tokens)
        if refusal or not size:
            tree.unlock(leaf, now)
            self.memory.tree.unlock(asked.source, now)
            return
        self.carrier.recorder.level(tier, now)
        self._writing[tier, sequence.id] = None

        def landed() -> None:
            at = self.carrier.fabric.clock.now
            self.carrier.on_land[0]()
            self.memory.tree.unlock(asked.source, at)
            tier.take(leaf, sequence, start, asked.tokens, size, at)
            self.carrier.recorder.level(tier, at)
            self._make_room(tier)
            following = self._writing.pop((tier, sequence.id))
            if following is not None and not self.is_closed:
                self._write(following)
            self.carrier.on_land[1]()

        self.carrier.store(sequence, reach, asked.moment, start, asked.tokens, landed)


def _demotions(memory: KVMemory, carrier: Carrier, reaches: tuple[Reach, ...]) -> list[Demotion]:
    """Who moves down what leaves a store whose tier below asks for that, from HBM down."""
    found: list[Demotion] = []
    tree, capacity, free = memory.tree, memory.capacity, lambda: memory.free
    for reach in reaches:
        tier = reach.tier
        if tier.placement.ahead:
            ahead = int(tier.placement.ahead * capacity)
            found.append(Demotion(carrier, tree, free, ahead, reach))
            if tree is not memory.tree and reach.relay:
                found[-1].path = reach.relay
        tree, capacity, free = tier.tree, tier.capacity, partial(Tier.unused, tier)
    for upper, lower in pairwise(found):
        if lower.tree is upper.reach.tier.tree:
            upper.on_land = lower.make_room
    return found
