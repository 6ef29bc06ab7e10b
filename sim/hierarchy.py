"""The tiers below one replica's HBM: what they hold of a request, bringing it up, keeping it.

A request whose KV is on its way is parked; the transfers share links with all others. Writes cost
what they cost: they flow over the same links, and hold their source until they have landed.
"""

from collections.abc import Callable

from kvsim.sim.carrier import Carrier, nothing
from kvsim.sim.fabric import Fabric
from kvsim.sim.looking_ahead import LookingAhead
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import Range, Restore, RestoreView
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.storing import Stores
from kvsim.sim.tier import Form, Piece, Reach, Stretch
from kvsim.sim.timing import Chunk, StepTime, alone, projection
from kvsim.units import Ns


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
        window: int = 0,
    ) -> None:
        self.fabric = fabric
        self.memory = memory
        self.timing = timing
        self.reaches = reaches
        self.restore = restore
        self.recorder = recorder
        self.layers = layers
        """Parts in which KV comes up: the model's layers, or 1 if it is used as a whole only."""
        self.classes = classes
        """Attention classes of the model."""
        self.is_closed = False
        """The memory it was for is lost."""
        self.carrier = Carrier(fabric, recorder, reaches, replica, layers)
        self.stores = Stores(memory, self.carrier, reaches)
        self.ahead = LookingAhead(memory, self.carrier, reaches, window)

    def anew(self, memory: KVMemory) -> "Hierarchy":
        """The same tiers, seen by a replica that has lost its memory and begins with `memory`.

        What is on a wire lands in vain, or below, and touches the replica no more.
        """
        self.is_closed = self.stores.is_closed = True
        self.carrier.on_land = (nothing, nothing)
        self.ahead.look(())
        return Hierarchy(
            self.fabric, memory, self.timing, self.reaches, self.restore, self.classes,
            self.recorder, self.carrier.replica, self.layers, self.ahead.window,
        )  # fmt: skip

    def wanted(self, sequence: Sequence, ahead: int) -> list[Piece]:
        """What to bring up for `sequence`, with `ahead` tokens of others to be computed before it.

        Stretches are asked for in order of the text; the first that is not loaded to its end is the
        last. Tokens before the first piece are computed while it comes.
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
            stretch = Stretch(reach, leaf, start, end)
            pieces = self._pieces(stretch, self.restore.ways(self._view(stretch, ahead)))
            if found and pieces and pieces[0].start > start:
                break
            found += pieces
            if not pieces or pieces[-1].end < end:
                break
            start = end
        return found

    def lock(self, sequence: Sequence, pieces: list[Piece]) -> None:
        """`pieces` can neither leave their tiers nor move until each has been let go."""
        now, label_tokens = self.fabric.clock.now, self._label_tokens(sequence)
        for piece in pieces:
            stretch = piece.stretch
            stretch.start = stretch.start if stretch.pieces else piece.start
            stretch.end = piece.end
            stretch.pieces += 1
        for stretch in {piece.stretch: None for piece in pieces}:
            tree = stretch.reach.tier.tree
            if stretch.end < stretch.leaf.end:
                stretch.leaf = tree.split(stretch.leaf, stretch.end, label_tokens)
            tree.lock(stretch.leaf, now)

    def let_go(self, piece: Piece) -> None:
        """`piece` has landed. An exclusive tier does not keep what has been loaded."""
        stretch = piece.stretch
        stretch.pieces -= 1
        if stretch.pieces:
            return
        tier, now = stretch.reach.tier, self.fabric.clock.now
        tier.tree.unlock(stretch.leaf, now)
        if tier.placement.exclusive and not self.is_closed:
            tier.tree.demoted += tier.tree.drop(stretch.leaf, stretch.start)
            self.recorder.level(tier, now)

    def load(
        self,
        sequence: Sequence,
        pieces: list[Piece],
        begun: Callable[[], None],
        landed: Callable[[], None],
    ) -> None:
        """Bring `pieces` up; call `begun` when all first layers are there, `landed` at the end."""
        left = len(pieces)
        beginning = len(pieces)

        def first_layer() -> None:
            nonlocal beginning
            beginning -= 1
            if not beginning:
                self.carrier.on_land[0]()
                begun()
                self.carrier.on_land[1]()

        def arrived(piece: Piece) -> Callable[[], None]:
            def done() -> None:
                nonlocal left
                self.let_go(piece)
                left -= 1
                if not left:
                    self.carrier.on_land[0]()
                    landed()
                    self.carrier.on_land[1]()

            return done

        for piece in pieces:
            self.carrier.load(sequence, piece, first_layer, arrived(piece))

    def _pieces(self, stretch: Stretch, ways: tuple[Range, ...]) -> list[Piece]:
        """`ways` in whole blocks, without what is computed."""
        found: list[Piece] = []
        block, told, at = self.memory.block_tokens, 0, stretch.start
        for tokens, way in ways:
            told += tokens
            stop = min(stretch.start + told // block * block, stretch.end)
            if way != "compute":
                if stop > at:
                    found.append(Piece(stretch, at, stop, way))
            elif found:
                break
            at = stop
        return found

    def _view(self, stretch: Stretch, ahead: int) -> RestoreView:
        reach, tokens = stretch.reach, stretch.end - stretch.start

        def load(form: Form) -> Ns:
            size = reach.tier.size(tokens, form)
            return self.carrier.estimate(reach, size)

        compute = alone(self.timing, Chunk(tokens, stretch.start), self.classes)
        waiting = alone(self.timing, Chunk(ahead, 0), self.classes) if ahead else 0
        hidden = project = 0
        if reach.tier.hidden:
            hidden, project = load("hidden"), projection(self.timing, tokens, self.classes)
        return RestoreView(
            tokens, stretch.start, reach.tier.name, load("kv"), compute, waiting, hidden, project
        )

    def _label_tokens(self, sequence: Sequence) -> int:
        return sequence.request.block_tokens or self.memory.block_tokens
