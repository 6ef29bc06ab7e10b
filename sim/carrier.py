"""What moves KV between one replica's HBM and the tiers below it, and books every transfer."""

from collections.abc import Callable

from kvsim.sim.fabric import LOAD, STORE, Fabric, Link
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Piece, Reach, Tier


class Carrier:
    """One replica's transfers. Writes cost what they cost: they flow over the same links."""

    def __init__(
        self,
        fabric: Fabric,
        recorder: Recorder,
        reaches: tuple[Reach, ...],
        replica: int,
        layers: int,
    ) -> None:
        self.fabric = fabric
        self.recorder = recorder
        self.replica = replica
        self.layers = layers
        """Parts in which KV comes up: the model's layers, or 1 if it is used as a whole only."""
        self.on_land: tuple[Callable[[], None], Callable[[], None]] = (_nothing, _nothing)
        """Called just before and just after a transfer lands: memory will change, has changed."""
        self._paths = {
            path: recorder.path(tuple(link.name for link in path))
            for reach in reaches
            for path in (reach.read, reach.write, reach.relay)
            if path
        }

    def store(
        self, sequence: Sequence, reach: Reach, why: str, start: int, end: int,
        landed: Callable[[], None], path: tuple[Link, ...] = (),
    ) -> None:  # fmt: skip
        """Move tokens [start, end) down, over `path` if one is named; book it; call `landed`."""
        path = path or reach.write
        row = self.book(sequence, reach, why, start, end, path)

        def done() -> None:
            self.recorder.landed(row, flow.began, self.fabric.clock.now)
            landed()

        size = reach.tier.bytes(end - start)
        flow = self.fabric.send(size, path, done, STORE, reach.write_ceiling)

    def load(
        self, sequence: Sequence, piece: Piece,
        begun: Callable[[], None], landed: Callable[[], None],
    ) -> None:  # fmt: skip
        """Move `piece` up, book it, then call `landed`.

        `begun` is called when the first layer is there, which is all if there is one part only.
        """
        reach, size = piece.stretch.reach, piece.size
        row = self.book(sequence, reach, "load", piece.start, piece.end, size=size)
        first = -(size // -self.layers)

        def done() -> None:
            self.recorder.landed(row, flow.began, self.fabric.clock.now)
            landed()

        def first_landed() -> None:
            begun()
            if first == size:
                done()
                return
            rest = size - first
            self.fabric.send(rest, reach.read, done, LOAD, reach.read_ceiling, goes_on=True)

        flow = self.fabric.send(first, reach.read, first_landed, LOAD, reach.read_ceiling)

    def fetch(
        self, sequence: Sequence, piece: Piece, landed: Callable[[], None], goes_on: bool
    ) -> None:
        """Move `piece` up as a whole; `goes_on` if it continues one that has just landed."""
        reach, size = piece.stretch.reach, piece.size
        row = self.book(sequence, reach, "load", piece.start, piece.end, size=size)

        def done() -> None:
            self.recorder.landed(row, flow.began, self.fabric.clock.now)
            landed()

        flow = self.fabric.send(size, reach.read, done, LOAD, reach.read_ceiling, goes_on)

    def bring(
        self, sequence: Sequence, tier: Tier, start: int, end: int, path: tuple[Link, ...]
    ) -> int:
        """Tokens [start, end) begin to move from a slower tier to `tier`; the transfer's row."""
        now = self.fabric.clock.now
        began = now + sum(link.latency for link in path)
        number = self.recorder.path(tuple(link.name for link in path))
        return self.recorder.sent(
            sequence.id, tier, self.replica, "ahead", start, end - start, tier.bytes(end - start),
            number, now, began,
        )  # fmt: skip

    def book(
        self, sequence: Sequence, reach: Reach, why: str, start: int, end: int,
        path: tuple[Link, ...] = (), size: int | None = None,
    ) -> int:  # fmt: skip
        """A transfer that begins, or a store that is refused; its row."""
        now, path = self.fabric.clock.now, path or (reach.read if why == "load" else reach.write)
        began = now + sum(link.latency for link in path)
        return self.recorder.sent(
            sequence.id, reach.tier, self.replica, why, start, end - start,
            reach.tier.bytes(end - start) if size is None else size, self._paths[path], now, began,
        )  # fmt: skip


def _nothing() -> None:
    pass
