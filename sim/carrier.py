"""What moves KV between one replica's HBM and the tiers below it, and books every transfer."""

from collections.abc import Callable, Iterator
from itertools import chain

from kvsim.sim.fabric import LOAD, STORE, Fabric, Link
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Piece, Reach, Tier, Ways
from kvsim.units import Ns


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
        self.on_land: tuple[Callable[[], None], Callable[[], None]] = (nothing, nothing)
        """Called just before and just after a transfer lands: memory will change, has changed."""
        self._paths = {
            path: recorder.path(tuple(link.name for link in path))
            for reach in reaches
            for path in (reach.read, reach.write, reach.relay, *chain.from_iterable(reach.stripes))
            if path
        }

    def store(
        self, sequence: Sequence, reach: Reach, why: str, start: int, end: int,
        landed: Callable[[], None], path: tuple[Link, ...] = (),
    ) -> None:  # fmt: skip
        """Move tokens [start, end) down, over `path` if one is named; book it; call `landed`."""
        size = reach.tier.bytes(end - start)
        ways = [(path, size)] if path else reach.writes(size)
        last = together(len(ways), landed)
        for row, way, share in self._booked(sequence, reach, why, start, end, ways):
            self._send(share, way, row, last, STORE, reach.write_ceiling)

    def load(
        self, sequence: Sequence, piece: Piece,
        begun: Callable[[], None], landed: Callable[[], None],
    ) -> None:  # fmt: skip
        """Move `piece` up, book it, then call `landed`.

        `begun` is called when the first layer is there, which is all if there is one part only.
        """
        reach = piece.stretch.reach
        ways = reach.reads(piece.size)
        began, last = together(len(ways), begun), together(len(ways), landed)
        booked = self._booked(sequence, reach, "load", piece.start, piece.end, ways)
        for row, way, share in booked:
            self._load(share, way, row, began, last, reach.read_ceiling)

    def _load(
        self, size: int, way: tuple[Link, ...], row: int, began: Callable[[], None],
        last: Callable[[], None], ceiling: float,
    ) -> None:  # fmt: skip
        first = -(size // -self.layers)

        def first_landed() -> None:
            began()
            if first == size:
                self.recorder.landed(row, flow.began, self.fabric.clock.now)
                last()
            else:
                self._send(size - first, way, row, last, LOAD, ceiling, goes_on=True)

        flow = self.fabric.send(first, way, first_landed, LOAD, ceiling)

    def fetch(
        self, sequence: Sequence, piece: Piece, landed: Callable[[], None], goes_on: bool
    ) -> None:
        """Move `piece` up as a whole; `goes_on` if it continues one that has just landed."""
        reach = piece.stretch.reach
        ways = reach.reads(piece.size)
        last = together(len(ways), landed)
        booked = self._booked(sequence, reach, "load", piece.start, piece.end, ways)
        for row, way, share in booked:
            self._send(share, way, row, last, LOAD, reach.read_ceiling, goes_on)

    def _booked(
        self, sequence: Sequence, reach: Reach, why: str, start: int, end: int, ways: Ways
    ) -> Iterator[tuple[int, tuple[Link, ...], int]]:
        """The row, the way and the size of each part of a transfer; the first has the tokens."""
        for way, share in ways:
            yield self.book(sequence, reach, why, start, end, way, share), way, share
            end = start

    def _send(
        self, size: int, way: tuple[Link, ...], row: int, landed: Callable[[], None], rank: int,
        ceiling: float, goes_on: bool = False,
    ) -> None:  # fmt: skip
        """What row `row` books flows; then `landed` is called."""

        def done() -> None:
            self.recorder.landed(row, flow.began, self.fabric.clock.now)
            landed()

        flow = self.fabric.send(size, way, done, rank, ceiling, goes_on)

    def estimate(self, reach: Reach, size: int) -> Ns:
        """How long loading `size` bytes would take if it began now and nothing changed."""
        ways = reach.reads(size) or [(reach.read, size)]
        beside = len(ways) - 1  # they meet on the last links at least
        return max(
            self.fabric.estimate(share, way, reach.read_ceiling, beside) for way, share in ways
        )

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


def together(count: int, what: Callable[[], None]) -> Callable[[], None]:
    """To be called `count` times: the last one does `what`."""
    if count == 1:
        return what
    left = count

    def one() -> None:
        nonlocal left
        left -= 1
        if not left:
            what()

    return one


def nothing() -> None:
    """For who does not care."""
