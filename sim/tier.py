"""A place below HBM that keeps KV for reuse: DRAM or drives of a node, or a pool of the cluster.

What is on its way in has its room reserved and cannot be read; what is being read cannot leave.
"""

from typing import Literal, NamedTuple

from kvsim.sim.fabric import Link
from kvsim.sim.policy import Eviction, Placement
from kvsim.sim.prefix import PrefixTree, Segment
from kvsim.sim.recorder import TIERS


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
    ) -> None:
        self.name = name
        self.rank = TIERS.index(name)
        """Its place among the tiers, fastest first."""
        self.place = place
        """The node it is in; 0 for a pool of the cluster."""
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

    def bytes(self, tokens: int) -> int:
        """What `tokens`, whole blocks, take here."""
        return tokens // self.tree.block_tokens * self.tree.block_bytes

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

    def check(self) -> None:
        """Nothing is made, lost or overdrawn."""
        self.tree.check()
        assert self.arriving >= 0
        assert self.tree.bytes + self.arriving <= self.capacity


class Reach(NamedTuple):
    """A tier as one replica sees it."""

    tier: Tier
    read: tuple[Link, ...]
    """From the tier to the replica's HBM."""
    write: tuple[Link, ...]
    read_ceiling: float
    """Bytes per second of one transfer alone, given the size of its pieces."""
    write_ceiling: float


class Piece(NamedTuple):
    """Tokens [start, end) of a sequence that a tier has and nothing faster does."""

    reach: Reach
    leaf: Segment
    """Where they end in the tier's tree, or within which segment."""
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes to move."""
        return self.reach.tier.bytes(self.end - self.start)
