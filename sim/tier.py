"""A place below HBM that keeps KV for reuse: DRAM or drives of a node, or a pool of the cluster.

What is on its way in has its room reserved and cannot be read; what is being read cannot leave.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from kvsim.sim.fabric import Link
from kvsim.sim.policy import Eviction, Placement
from kvsim.sim.prefix import PrefixTree, Segment
from kvsim.sim.recorder import TIERS
from kvsim.sim.sequence import Sequence
from kvsim.units import Ns

Form = Literal["kv", "hidden"]


class Tier:
    """One store of KV, shared by the replicas that can reach it."""

    def __init__(
        self,
        name: str,
        capacity: int,
        block_tokens: int,
        block_bytes: int,
        eviction: Eviction,
        placement: Placement,
        backlog: int,
        place: int = 0,
        hidden: int = 0,
    ) -> None:
        self.name = name
        self.rank = TIERS.index(name)
        """Its place among the tiers, fastest first."""
        self.place = place
        """The node it is in; 0 for a pool of the cluster."""
        self.hidden = hidden
        """Of the bytes of a block, those of hidden states; the others are KV."""
        self.capacity = capacity
        self.tree = PrefixTree(block_tokens, block_bytes, eviction)
        self.placement = placement
        self.backlog = backlog
        """Bytes that may be on their way in; more are refused until some have landed. One store is
        taken whatever its size."""
        self.arriving = 0
        """Bytes on their way in, their room reserved."""
        self.written = 0
        """Bytes that have landed in it."""
        self.refused = 0
        """Bytes it had no time or no room to take."""
        self.above: dict[PrefixTree, None] = {}
        """Stores that are written back into it."""

    def unused(self) -> int:
        """Bytes that hold nothing and wait for nothing."""
        return self.capacity - self.tree.bytes - self.arriving

    @property
    def missed(self) -> int:
        """Bytes that left the stores above before they could be copied."""
        return sum(tree.evicted - tree.demoted for tree in self.above)

    def bytes(self, tokens: int) -> int:
        """What `tokens`, whole blocks, take here."""
        return tokens // self.tree.block_tokens * self.tree.block_bytes

    def size(self, tokens: int, form: Form) -> int:
        """Bytes that are read of `tokens`, whole blocks, in one of the forms they are kept in."""
        block = self.hidden if form == "hidden" else self.tree.block_bytes - self.hidden
        return tokens // self.tree.block_tokens * block

    def reserve(self, size: int) -> Literal["backlog", "room"] | None:
        """Make room for `size` bytes that are about to come; or why it cannot take them now."""
        if self.arriving and self.arriving + size > self.backlog:
            self.refused += size
            return "backlog"
        excess = self.tree.bytes + self.arriving + size - self.capacity
        if excess > 0 and self.tree.evict(excess) < excess:
            self.refused += size
            return "room"
        self.arriving += size
        return None

    def take(
        self, leaf: Segment, text: Sequence, start: int, end: int, size: int, now: Ns
    ) -> None:  # fmt: skip
        """`size` bytes, tokens [start, end) of `text`, have landed behind `leaf`, held for them."""
        tree = self.tree
        label_tokens = text.request.block_tokens or tree.block_tokens
        self.arriving -= size
        self.written += size
        leaf = tree.insert(leaf, text.labels, label_tokens, end, now)
        if tree.signs:
            tree.sign(leaf, start, text)
        tree.unlock(leaf, now)

    def check(self) -> None:
        """Nothing is made, lost or overdrawn."""
        self.tree.check()
        assert self.arriving >= 0
        assert self.tree.bytes + self.arriving <= self.capacity


Ways = list[tuple[tuple[Link, ...], int]]
"""Ways that parts of a transfer take, and the bytes of each part."""


class Reach(NamedTuple):
    """A tier as one replica sees it."""

    tier: Tier
    read: tuple[Link, ...]
    """From the tier to the replica's HBM."""
    write: tuple[Link, ...]
    read_ceiling: float
    """Bytes per second of one transfer alone, given the size of its pieces."""
    write_ceiling: float
    relay: tuple[Link, ...] = ()
    """To the tier from the one above it, past HBM; empty where there is none above, or no way."""
    stripes: tuple[tuple[tuple[Link, ...], tuple[Link, ...]], ...] = ()
    """Ways to read and to write for each of the nodes that KV is spread over evenly; empty where
    all of it is in one place."""

    def reads(self, size: int) -> Ways:
        """The ways that `size` bytes come, and how many on each."""
        return [(self.read, size)] if not self.stripes else _shares(size, self.stripes, 0)

    def writes(self, size: int) -> Ways:
        """The ways that `size` bytes go, and how many on each."""
        return [(self.write, size)] if not self.stripes else _shares(size, self.stripes, 1)


def _shares(
    size: int, stripes: tuple[tuple[tuple[Link, ...], tuple[Link, ...]], ...], side: int
) -> Ways:
    count = len(stripes)
    shares = [size * (at + 1) // count - size * at // count for at in range(count)]
    return [(ways[side], share) for ways, share in zip(stripes, shares, strict=True) if share]


@dataclass(eq=False, slots=True)
class Stretch:
    """Tokens [start, end) of a sequence that a tier has and nothing faster does."""

    reach: Reach
    leaf: Segment
    """Where they end in the tier's tree, or within which segment."""
    start: int
    end: int
    pieces: int = 0
    """Parts of it that are still to land: until then it can neither leave its tier nor move."""


class Piece(NamedTuple):
    """Tokens [start, end) of a stretch that come up in one form."""

    stretch: Stretch
    start: int
    end: int
    form: Form = "kv"

    @property
    def size(self) -> int:
        """Bytes to move."""
        return self.stretch.reach.tier.size(self.end - self.start, self.form)
