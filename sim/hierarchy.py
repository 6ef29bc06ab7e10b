"""The tiers below one replica's HBM: what they hold of a request, bringing it up, keeping it.

A request whose KV is on its way is parked; the transfers share links with all others. Writes cost
what they cost: they flow over the same links, and hold their source until they have landed.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from kvsim.sim.fabric import LOAD, STORE, Fabric
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import Restore, RestoreView, Stored
from kvsim.sim.prefix import Segment
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Piece, Reach, Tier
from kvsim.sim.timing import Chunk, StepTime, alone


class Store(NamedTuple):
    """A copy to be made of the first `tokens` of a sequence, held in HBM down to `source`."""

    reach: Reach
    sequence: Sequence
    source: Segment
    tokens: int
    moment: Literal["prefill", "end"]


class Hierarchy:
    """One replica's view of the tiers, fastest first."""

    def __init__(
        self,
        fabric: Fabric,
        memory: KVMemory,
        timing: StepTime,
        reaches: tuple[Reach, ...],
        restore: Restore,
        classes: int,
        recorder: Recorder,
        replica: int,
        layers: int = 1,
    ) -> None:
        self.fabric = fabric
        self.memory = memory
        self.timing = timing
        self.reaches = reaches
        self.restore = restore
        self.recorder = recorder
        self.replica = replica
        self.layers = layers
        """Parts in which KV comes up: the model's layers, or 1 if it is used as a whole only."""
        self._paths = {path: recorder.path(tuple(link.name for link in path))
                       for reach in reaches for path in (reach.read, reach.write)}  # fmt: skip
        self.classes = classes
        """Attention classes of the model."""
        self.on_land: tuple[Callable[[], None], Callable[[], None]] = (_nothing, _nothing)
        """Called just before and just after a transfer lands: memory will change, has changed."""
        self._writing: dict[tuple[Tier, int], Store | None] = {}
        """Stores on their way by tier and sequence, and what is to be stored behind them."""

    def wanted(self, sequence: Sequence, ahead: int) -> list[Piece]:
        """What to bring up for `sequence`, with `ahead` tokens of others to be computed before it.

        Pieces are asked for in order of the text; the first that is not worth it ends the list.
        """
        found: list[Piece] = []
        start = self.memory.cached(sequence)
        limit = sequence.target - 1
        labels, label_tokens = sequence.labels, self._label_tokens(sequence)
        now = self.fabric.clock.now
        for reach in self.reaches:
            tier = reach.tier
            leaf, end = tier.tree.match(labels, label_tokens, limit)
            self.recorder.looked_up(sequence, tier.rank, tier.place, start, limit, now)
            if end <= start:
                continue
            piece = Piece(reach, leaf, start, end)
            if not self.restore.loads(self._view(piece, ahead)):
                break
            found.append(piece)
            start = end
        return found

    def load(
        self,
        sequence: Sequence,
        pieces: list[Piece],
        begun: Callable[[], None],
        landed: Callable[[], None],
    ) -> None:
        """Bring `pieces` up; call `begun` when all first layers are there, `landed` at the end.

        The pieces can neither leave their tiers nor move meanwhile.
        """
        left = len(pieces)
        beginning = len(pieces)

        def first_layer() -> None:
            nonlocal beginning
            beginning -= 1
            if not beginning:
                self.on_land[0]()
                begun()
                self.on_land[1]()

        def arrived(piece: Piece) -> Callable[[], None]:
            def done() -> None:
                nonlocal left
                piece.reach.tier.tree.unlock(piece.leaf, self.fabric.clock.now)
                left -= 1
                if not left:
                    self.on_land[0]()
                    landed()
                    self.on_land[1]()

            return done

        now, label_tokens = self.fabric.clock.now, self._label_tokens(sequence)
        for index, piece in enumerate(pieces):
            tree = piece.reach.tier.tree
            if piece.end < piece.leaf.end:
                leaf = tree.split(piece.leaf, piece.end, label_tokens)
                pieces[index] = piece = piece._replace(leaf=leaf)
            tree.lock(piece.leaf, now)
        for piece in pieces:
            self._send(
                sequence, piece.reach, "load", piece.start, piece.end, arrived(piece), first_layer
            )

    def keep(self, sequence: Sequence, moment: Literal["prefill", "end"]) -> None:
        """`sequence` has computed a stretch of KV: each tier keeps what its placement asks for.

        What is to be kept stays in HBM until it has been copied. A second stretch waits for the
        first.
        """
        now = self.fabric.clock.now
        self.memory.publish(sequence, now)
        leaf = sequence.leaf
        assert leaf is not None
        stored = Stored(sequence.published, moment, leaf.reuses)
        for reach in self.reaches:
            tier = reach.tier
            source = self._kept(tier, stored, leaf)
            if source is None:
                continue
            self.memory.tree.hold(source)
            asked = Store(reach, sequence, source, min(stored.tokens, source.end), stored.moment)
            self.recorder.kept(sequence, tier.rank, tier.place, asked.tokens, now)
            key = (tier, sequence.id)
            if key not in self._writing:
                self._write(asked)
                continue
            before = self._writing[key]
            if before is not None:
                self.memory.tree.unlock(before.source, self.fabric.clock.now)
            self._writing[key] = asked

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
        tier, tree, now = reach.tier, reach.tier.tree, self.fabric.clock.now
        labels, label_tokens = sequence.labels, self._label_tokens(sequence)
        leaf, start = tree.match(labels, label_tokens, asked.tokens)
        size = tier.bytes(asked.tokens - start)
        if start < leaf.end and size:
            leaf = tree.split(leaf, start, label_tokens)
        tree.hold(leaf)
        refusal = tier.reserve(size) if size else None
        if refusal:
            self._book(sequence, reach, refusal, start, asked.tokens)
        if refusal or not size:
            tree.unlock(leaf, now)
            self.memory.tree.unlock(asked.source, now)
            return
        self.recorder.level(tier, now)
        self._writing[tier, sequence.id] = None

        def landed() -> None:
            at = self.fabric.clock.now
            self.on_land[0]()
            self.memory.tree.unlock(asked.source, at)
            tier.arriving -= size
            tier.written += size
            tree.unlock(tree.insert(leaf, labels, label_tokens, asked.tokens, at), at)
            self.recorder.level(tier, at)
            following = self._writing.pop((tier, sequence.id))
            if following is not None:
                self._write(following)
            self.on_land[1]()

        self._send(sequence, reach, asked.moment, start, asked.tokens, landed)

    def _send(
        self, sequence: Sequence, reach: Reach, why: str, start: int, end: int,
        landed: Callable[[], None], begun: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Move tokens [start, end) up or down, book it, then call `landed`.

        `begun` is called when the first layer is there, which is all if there is one part only.
        """
        row = self._book(sequence, reach, why, start, end)

        def done() -> None:
            self.recorder.landed(row, flow.began, self.fabric.clock.now)
            landed()

        size = reach.tier.bytes(end - start)
        if begun is None:
            flow = self.fabric.send(size, reach.write, done, STORE, reach.write_ceiling)
            return
        first = -(size // -self.layers)
        start_of_use = begun

        def first_landed() -> None:
            start_of_use()
            if first == size:
                done()
                return
            rest = size - first
            self.fabric.send(rest, reach.read, done, LOAD, reach.read_ceiling, goes_on=True)

        flow = self.fabric.send(first, reach.read, first_landed, LOAD, reach.read_ceiling)

    def _book(self, sequence: Sequence, reach: Reach, why: str, start: int, end: int) -> int:
        """A transfer that begins, or a store that is refused; its row."""
        now, path = self.fabric.clock.now, reach.read if why == "load" else reach.write
        began = now + sum(link.latency for link in path)
        return self.recorder.sent(
            sequence.id, reach.tier, self.replica, why, start, end - start, self._paths[path],
            now, began,
        )  # fmt: skip

    def _view(self, piece: Piece, ahead: int) -> RestoreView:
        tokens = piece.end - piece.start
        load = self.fabric.estimate(piece.size, piece.reach.read, piece.reach.read_ceiling)
        compute = alone(self.timing, Chunk(tokens, piece.start), self.classes)
        waiting = alone(self.timing, Chunk(ahead, 0), self.classes) if ahead else 0
        return RestoreView(tokens, piece.start, piece.reach.tier.name, load, compute, waiting)

    def _label_tokens(self, sequence: Sequence) -> int:
        return sequence.request.block_tokens or self.memory.block_tokens


def _nothing() -> None:
    pass
