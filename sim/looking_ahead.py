"""What the queue tells the tiers: whose KV to bring closer, and what will be read soon.

KV of waiting requests is copied from slower tiers to the fastest one below HBM before their turn,
and evictions hear which segments waiting requests will read (CachedAttention, USENIX ATC 2024).
"""

from collections.abc import Iterable

from kvsim.sim.carrier import Carrier
from kvsim.sim.fabric import LOAD
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import Eviction
from kvsim.sim.prefix import PrefixTree, Segment
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Reach


class LookingAhead:
    """One replica's view of its queue, for the tiers it reaches."""

    def __init__(
        self, memory: KVMemory, carrier: Carrier, reaches: tuple[Reach, ...], window: int
    ) -> None:
        self.memory = memory
        self.carrier = carrier
        self.reaches = reaches
        self.window = window
        """Waiting requests whose KV is brought closer."""
        trees = (memory.tree, *(reach.tier.tree for reach in reaches))
        self._listening = [tree for tree in trees if _listens(tree.eviction)]
        self._awaited: dict[Sequence, list[tuple[PrefixTree, Segment]]] = {}
        self._places: dict[Segment, list[int]] = {}
        """Numbers of the waiting requests that will read a segment."""
        self.is_needed = bool(window or self._listening)

    def look(self, waiting: Iterable[Sequence]) -> None:
        """The queue has changed: copy and tell. Asked again without a change, it does nothing."""
        queued = list(waiting)
        if self._listening:
            self._tell(queued)
        for sequence in queued[: self.window]:
            if not sequence.brought and sequence.leaf is None:
                sequence.brought = True
                self.bring(sequence)

    def bring(self, sequence: Sequence) -> None:
        """Copy to the first tier what it and HBM lack of `sequence` and a slower one has."""
        labels = sequence.labels
        label_tokens = sequence.request.block_tokens or self.memory.block_tokens
        limit, first = sequence.target - 1, self.reaches[0].tier
        leaf, start = first.tree.match(labels, label_tokens, limit)
        now = self.carrier.fabric.clock.now
        for reach in self.reaches[1:]:
            source, end = reach.tier.tree.match(labels, label_tokens, limit)
            if end <= max(start, self.memory.cached(sequence)):
                continue
            size = first.bytes(end - start)
            if start < leaf.end:
                leaf = first.tree.split(leaf, start, label_tokens)
            first.tree.hold(leaf)
            refusal = first.reserve(size)
            if refusal:
                self.carrier.book(sequence, self.reaches[0], refusal, start, end)
                first.tree.unlock(leaf, now)
                return
            if end < source.end:
                source = reach.tier.tree.split(source, end, label_tokens)
            reach.tier.tree.lock(source, now)
            self._copy(sequence, reach, leaf, source, start, end, size)
            return

    def _copy(
        self, sequence: Sequence, reach: Reach, leaf: Segment, source: Segment, start: int,
        end: int, size: int,
    ) -> None:  # fmt: skip
        """It can be read from the first tier once it has landed."""
        first, carrier = self.reaches[0].tier, self.carrier
        # all but the wires to and from the GPU
        path = tuple(dict.fromkeys(reach.read[:-1] + self.reaches[0].write[1:])) or reach.read
        row = carrier.bring(sequence, first, start, end, path)

        def landed() -> None:
            at = carrier.fabric.clock.now
            carrier.recorder.landed(row, flow.began, at)
            reach.tier.tree.unlock(source, at)
            first.take(leaf, sequence, start, end, size, at)
            carrier.recorder.level(first, at)

        carrier.recorder.level(first, carrier.fabric.clock.now)
        flow = carrier.fabric.send(size, path, landed, LOAD, reach.read_ceiling)

    def _tell(self, queued: list[Sequence]) -> None:
        """Who waits no more is forgotten; who is new is told of."""
        here = set(queued)
        for sequence in [one for one in self._awaited if one not in here]:
            for tree, segment in self._awaited.pop(sequence):
                places = self._places[segment]
                places.remove(sequence.id)
                if not places:
                    del self._places[segment]
                if _is_kept(segment):
                    tree.eviction.awaited(segment, min(places, default=None))
        for sequence in queued:
            if sequence not in self._awaited and sequence.leaf is None:
                self._awaited[sequence] = list(self._read_by(sequence))

    def _read_by(self, sequence: Sequence) -> Iterable[tuple[PrefixTree, Segment]]:
        label_tokens = sequence.request.block_tokens or self.memory.block_tokens
        for tree in self._listening:
            node, _ = tree.match(sequence.labels, label_tokens, sequence.target - 1)
            while node.parent is not None:
                places = self._places.setdefault(node, [])
                places.append(sequence.id)
                tree.eviction.awaited(node, min(places))
                yield tree, node
                node = node.parent


def _listens(eviction: Eviction) -> bool:
    return type(eviction).awaited is not Eviction.awaited


def _is_kept(segment: Segment) -> bool:
    """Whether it is still in its tree."""
    parent = segment.parent
    children = parent.children if parent is not None else None
    return children is not None and children.get(segment.key) is segment
