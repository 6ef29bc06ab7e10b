"""The tiers below one replica's HBM: what they hold of a request, bringing it up, keeping it.

A request whose KV is on its way is parked; the transfers share links with all others. Writes cost
what they cost: they flow over the same links, and hold their source until they have landed.
"""

from collections.abc import Callable

from kvsim.sim.carrier import Carrier
from kvsim.sim.fabric import Fabric
from kvsim.sim.looking_ahead import LookingAhead
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import Restore, RestoreView
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.storing import Stores
from kvsim.sim.tier import Piece, Reach
from kvsim.sim.timing import Chunk, StepTime, alone


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
        self.carrier = Carrier(fabric, recorder, reaches, replica, layers)
        self.stores = Stores(memory, self.carrier, reaches)
        self.ahead = LookingAhead(memory, self.carrier, reaches, window)

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
                self.carrier.on_land[0]()
                begun()
                self.carrier.on_land[1]()

        def arrived(piece: Piece) -> Callable[[], None]:
            def done() -> None:
                nonlocal left
                tier = piece.reach.tier
                tier.tree.unlock(piece.leaf, self.fabric.clock.now)
                if tier.placement.exclusive:
                    tier.tree.demoted += tier.tree.drop(piece.leaf, piece.start)
                    self.recorder.level(tier, self.fabric.clock.now)
                left -= 1
                if not left:
                    self.carrier.on_land[0]()
                    landed()
                    self.carrier.on_land[1]()

            return done

        now, label_tokens = self.fabric.clock.now, self._label_tokens(sequence)
        for index, piece in enumerate(pieces):
            tree = piece.reach.tier.tree
            if piece.end < piece.leaf.end:
                leaf = tree.split(piece.leaf, piece.end, label_tokens)
                pieces[index] = piece = piece._replace(leaf=leaf)
            tree.lock(piece.leaf, now)
        for piece in pieces:
            self.carrier.load(
                sequence, piece.reach, piece.start, piece.end, first_layer, arrived(piece)
            )

    def _view(self, piece: Piece, ahead: int) -> RestoreView:
        tokens = piece.end - piece.start
        load = self.fabric.estimate(piece.size, piece.reach.read, piece.reach.read_ceiling)
        compute = alone(self.timing, Chunk(tokens, piece.start), self.classes)
        waiting = alone(self.timing, Chunk(ahead, 0), self.classes) if ahead else 0
        return RestoreView(tokens, piece.start, piece.reach.tier.name, load, compute, waiting)

    def _label_tokens(self, sequence: Sequence) -> int:
        return sequence.request.block_tokens or self.memory.block_tokens
