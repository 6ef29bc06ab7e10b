"""The KV memory of one replica: bytes leased to sequences, bytes kept for reuse, and room.

Paged: a sequence takes whole blocks as it grows. Full blocks are published to the prefix tree as
soon as they are scheduled, so that the next request in the same step can already share them. An
allocation may make blocks larger, have several claimed at a time, or add something that is claimed
at admission (`kvsim.sim.claiming`); where that is all of it, a block takes no bytes.
"""

from collections.abc import Callable

from kvsim.sim.batch import Windowed
from kvsim.sim.claiming import Claims, Pieces, Slots
from kvsim.sim.policy import Allocation, Claim, Eviction
from kvsim.sim.prefix import PrefixTree
from kvsim.sim.sequence import Sequence
from kvsim.traces.request import Request
from kvsim.units import Ns

GOLDEN = 2_654_435_769
"""2**32 over the golden ratio: spreads names evenly (Knuth, multiplicative hashing)."""


Told = Callable[[Sequence, int, int | None], None]
"""Hears who holds how many tokens, and has room for how many; for none any more, if it is None."""


class KVMemory:
    """HBM for KV on one replica. Every method that takes memory makes room for it by eviction."""

    def __init__(
        self,
        capacity: int,
        block_tokens: int,
        block_bytes: int,
        eviction: Eviction,
        windows: tuple[Windowed, ...] = (),
        state_bytes: int = 0,
        caching: bool = True,
        group: int = 1,
        claims: Claims | None = None,
    ) -> None:
        self.capacity = self._shared = capacity
        """Bytes that may be taken: what is set aside for those who are not here is not in them."""
        self.block_tokens = block_tokens
        self.block_bytes = block_bytes
        self.group = group
        """Blocks that a sequence claims at a time."""
        self.unit_tokens = block_tokens * group
        self.unit_bytes = block_bytes * group
        self.windows = tuple(
            window._replace(block_bytes=window.block_bytes * group) for window in windows
        )
        """What each takes a unit."""
        self.claims = claims
        """What is claimed at admission besides; None: nothing is."""
        self.told: Told | None = None
        """Hears what changes; None: nobody wants to know."""
        self.state_bytes = state_bytes
        self.caching = caching
        self.private = 0
        """Bytes that sequences hold outside the prefix tree."""
        self.tree = PrefixTree(block_tokens, block_bytes, eviction)

    @classmethod
    def claimed(
        cls,
        allocation: Allocation,
        claim: Claim,
        capacity: int,
        block_bytes: int,
        eviction: Eviction,
        windows: tuple[Windowed, ...],
        state_bytes: int,
        caching: bool,
        longest: int,
    ) -> "KVMemory":
        """A memory that is handed out as `claim` says; texts have `longest` tokens at most.

        Pieces that are claimed whole have room for every token in every layer: windows save none.
        """
        block = claim.block
        caching = caching and not claim.outside
        claims: Claims | None = None
        if claim.whole:
            token_bytes = -((block_bytes + sum(one.block_bytes for one in windows)) // -block)
            claims = Pieces(allocation, capacity // max(token_bytes, 1), token_bytes, longest)
            windows = tuple(window._replace(block_bytes=0) for window in windows)
            block_bytes, caching = 0, False
        elif claim.slots:
            claims = Slots(claim.slots, state_bytes)
            capacity, state_bytes = capacity - claim.slots * state_bytes, 0
        return cls(
            capacity, block, block_bytes, eviction, windows, state_bytes, caching, claim.group,
            claims,
        )  # fmt: skip

    @property
    def room(self) -> int:
        """Bytes free, or freed on demand by eviction."""
        return self.capacity - self.private - self.tree.locked

    @property
    def free(self) -> int:
        """Bytes that hold nothing."""
        return self.capacity - self.private - self.tree.bytes

    @property
    def leased(self) -> int:
        """Bytes that running sequences hold."""
        return self.private + self.tree.locked

    def bytes(self, tokens: int) -> int:
        """What a sequence with `tokens` stored tokens takes by itself."""
        unit = self.unit_tokens
        total = self.state_bytes - tokens // -unit * self.unit_bytes
        for window in self.windows:
            total -= min(tokens, window.kept) // -unit * window.block_bytes
        return total

    def content(self, tokens: int) -> int:
        """What the blocks take that hold `tokens` of a sequence, without those beside them that it
        has claimed."""
        block = self.block_tokens
        total = self.state_bytes - tokens // -block * self.block_bytes
        for window in self.windows:
            total -= min(tokens, window.kept) // -block * (window.block_bytes // self.group)
        return total

    def refusal(self, request: Request, longest: int | None) -> str | None:
        """Why `request` can never be served here, in texts of at most `longest` tokens; or None."""
        tokens = request.prompt_tokens + request.output_tokens
        tokens += sum(pause.returned for pause in request.pauses)
        if longest is not None and tokens > longest:
            return f"{tokens} tokens are more than max_model_len {longest}"
        wanted = self.bytes(tokens - 1)
        if wanted > self._shared:  # not what others have got of what was set aside
            return f"its KV of {wanted} bytes is more than the replica's {self._shared}"
        return None if self.claims is None else self.claims.refusal(request)

    def cached(self, sequence: Sequence) -> int:
        """Tokens of `sequence` that are here already; at least its last token is computed anew."""
        if not self.caching:
            return 0
        labels, label_tokens = sequence.labels, sequence.request.block_tokens or self.block_tokens
        return self.tree.match(labels, label_tokens, sequence.target - 1)[1]

    def path(self, sequence: Sequence) -> tuple[int, ...]:
        """Names of the segments of the prefix tree that `sequence` would read, from the root."""
        if not self.caching:
            return ()
        label_tokens = sequence.request.block_tokens or self.block_tokens
        node, _ = self.tree.match(sequence.labels, label_tokens, sequence.target - 1)
        keys: list[int] = []
        while node.parent is not None:
            keys.append(node.key)
            node = node.parent
        return tuple(reversed(keys))

    def known(self, sequence: Sequence, by: Ns, loss: float) -> int:
        """Tokens cached of `sequence` that were stored by `by`; of a share `loss` of all segments,
        chosen by name and birth, nothing is ever heard, nor of what follows them."""
        if not self.caching:
            return 0
        label_tokens = sequence.request.block_tokens or self.block_tokens
        node, tokens = self.tree.match(sequence.labels, label_tokens, sequence.target - 1)
        while node.parent is not None:
            if node.born > by or (node.key + node.born) * GOLDEN % 2**32 < loss * 2**32:
                tokens = node.depth
            elif node.grew > by:
                tokens = min(tokens, node.grown_from)
            node = node.parent
        return tokens

    def fits(self, sequence: Sequence, tokens: int) -> bool:
        """Whether a waiting `sequence` can be admitted with `tokens` of it stored."""
        if self.claims is not None and not self.claims.fits(sequence):
            return False
        wanted = self.bytes(tokens)
        if self.caching:
            label_tokens = sequence.request.block_tokens or self.block_tokens
            leaf, hit = self.tree.match(sequence.labels, label_tokens, sequence.target - 1)
            wanted += (
                self.tree.unlocked_bytes(leaf, hit) - hit // self.block_tokens * self.block_bytes
            )
        return wanted <= self.room

    def fits_whole(self, sequence: Sequence, tokens: int) -> bool:
        """Whether `tokens` of a `sequence` that another replica holds can be stored here."""
        held, sequence.leaf = sequence.leaf, None
        fits = self.fits(sequence, tokens)
        sequence.leaf = held
        return fits

    def admit(self, sequence: Sequence, now: Ns) -> None:
        """Lease to `sequence` what is cached of it; it starts behind that."""
        tree = self.tree
        leaf, hit = tree.root, 0
        if self.caching:
            label_tokens = sequence.request.block_tokens or self.block_tokens
            leaf, hit = tree.match(sequence.labels, label_tokens, sequence.target - 1)
            if hit < leaf.end:
                leaf = tree.split(leaf, hit, label_tokens)
            tree.lock(leaf, now)
        sequence.leaf = leaf
        sequence.computed = sequence.published = hit
        if self.claims is not None:
            self._hand_out(self.claims.take(sequence))
        self._claim(self.bytes(hit) - hit // self.block_tokens * self.block_bytes)
        if self.told is not None:
            self.told(sequence, hit, hit)

    def extends(self, sequence: Sequence, tokens: int) -> bool:
        """Whether `tokens` more of an admitted `sequence` can be stored."""
        return self._wanted(sequence, tokens) <= self.room

    def extend(self, sequence: Sequence, tokens: int, now: Ns) -> None:
        """Store `tokens` more of `sequence` and publish its full blocks."""
        self._claim(self._wanted(sequence, tokens))
        self._publish(sequence, sequence.after(tokens), now)
        if self.told is not None:
            self.told(sequence, sequence.after(tokens), max(sequence.held, sequence.after(tokens)))

    def reserve(self, sequence: Sequence, tokens: int) -> None:
        """Take the room for `tokens` more of `sequence` that are on their way."""
        self._claim(self._wanted(sequence, tokens))
        if self.told is not None:
            self.told(sequence, sequence.computed, max(sequence.held, sequence.after(tokens)))

    def grow(self, wanted: int) -> None:
        """Take `wanted` bytes for blocks of the decode batch."""
        self._claim(wanted)

    def release(self, sequence: Sequence, now: Ns) -> None:
        """`sequence` leaves: its full blocks stay until they are evicted, the rest is free."""
        assert sequence.leaf is not None
        self._publish(sequence, sequence.computed, now)
        self.private -= self.bytes(sequence.held)
        self.private += sequence.published // self.block_tokens * self.block_bytes
        if self.claims is not None:
            self._hand_out(-self.claims.give(sequence))
        if self.caching:
            self.tree.unlock(sequence.leaf, now)
        if self.told is not None:
            self.told(sequence, sequence.computed, None)
        sequence.leaf = None
        sequence.published = sequence.raw = 0
        sequence.gap = None

    def publish(self, sequence: Sequence, tokens: int, now: Ns) -> None:
        """Let others find the full blocks of the first `tokens` of `sequence`."""
        self._publish(sequence, tokens, now)
        if self.told is not None:
            self.told(sequence, tokens, max(sequence.held, tokens))

    def check(self) -> None:
        """Nothing is made, lost or overdrawn."""
        self.tree.check()
        assert self.private >= 0
        assert self.private + self.tree.bytes <= self.capacity
        if self.claims is not None:
            self.claims.check()

    def _hand_out(self, size: int) -> None:
        """`size` bytes are claimed by a sequence that comes, or free again if below zero."""
        assert self.claims is not None
        self.private += size
        if self.claims.aside:
            self.capacity += size

    def _wanted(self, sequence: Sequence, tokens: int) -> int:
        """Bytes that `tokens` more of an admitted `sequence` take on top of what it holds."""
        held = sequence.held
        return self.bytes(max(held, sequence.after(tokens))) - self.bytes(held)

    def _claim(self, wanted: int) -> None:
        self.private += wanted
        excess = self.private + self.tree.bytes - self.capacity
        if excess > 0:
            self.tree.evict(excess)
            assert self.private + self.tree.bytes <= self.capacity

    def _publish(self, sequence: Sequence, tokens: int, now: Ns) -> None:
        """Hand the full blocks of the first `tokens` to the tree, if it does not have them."""
        leaf = sequence.leaf
        assert leaf is not None
        tokens -= tokens % self.block_tokens
        if not self.caching or tokens <= sequence.published or leaf.end != sequence.published:
            return
        if sequence.landing or sequence.raw:
            return  # nothing is read before it has landed and is KV
        label_tokens = sequence.request.block_tokens or self.block_tokens
        leaf = self.tree.insert(leaf, sequence.labels, label_tokens, tokens, now)
        if self.tree.signs:
            self.tree.sign(leaf, sequence.published, sequence)
        self.private -= (leaf.end - sequence.published) // self.block_tokens * self.block_bytes
        sequence.leaf = leaf
        sequence.published = leaf.end
