"""The prefix index of one tier: a radix tree of segments, each a run of consecutive block ids.

An id names a block and everything before it, so two prefixes agree as far as their ids do, and a
whole segment is compared by arithmetic on its first id. Work is per segment, never per block.
"""

from collections.abc import Iterator
from typing import Any

from kvsim.sim.lifetime import Lifetimes
from kvsim.sim.policy import Eviction
from kvsim.traces.request import Runs
from kvsim.units import Ns


class Segment:
    """Tokens [depth, end) of a prefix, held by a tier. Policies see a `SegmentView`."""

    __slots__ = (
        "born", "children", "depth", "end", "grew", "grown_from", "key", "locks", "parent", "pins",
        "readers", "reuses", "text", "used",
    )  # fmt: skip

    def __init__(
        self, parent: "Segment | None", key: int, depth: int, end: int, born: Ns = 0
    ) -> None:
        self.parent = parent
        self.key = key
        """Label of the block that holds its first full engine block's last token."""
        self.depth = depth
        self.end = end
        self.children: dict[int, Segment] | None = None
        self.locks = 0
        """Sequences that read it now."""
        self.pins = 0
        """Copies of it, or of what is below it, after which it may leave."""
        self.readers = 0
        """Of these, those that decode; counted only for kernels that read shared tokens once."""
        self.reuses = 0
        """Look-ups that found it."""
        self.text: Any = None
        """The sequence that stored it last, in a store that is written back; None elsewhere."""
        self.born = self.used = born
        """When its first block was stored, and when it was last looked up."""
        self.grew, self.grown_from = born, depth
        """When its last blocks were stored, and where they begin."""

    @property
    def tokens(self) -> int:
        """Tokens it holds."""
        return self.end - self.depth


class PrefixTree:
    """What one tier keeps for reuse. Counts bytes where they change; asks for victims."""

    def __init__(self, block_tokens: int, block_bytes: int, eviction: Eviction) -> None:
        self.block_tokens = block_tokens
        self.block_bytes = block_bytes
        self.eviction = eviction
        self.root = Segment(None, 0, 0, 0)
        self.root.locks = 2  # never extended in place, never evicted
        self.bytes = 0
        """All bytes held."""
        self.locked = 0
        """Of these, bytes that are being read and cannot leave."""
        self.evicted = 0
        """Bytes that have left."""
        self.leaving = 0
        """Bytes that will leave when their copy has landed in the tier below."""
        self.demoted = 0
        """Of those that have left, bytes that had been copied, up or down, or refused a copy."""
        self.signs = False
        """Segments remember whose text they are, so that they can be written back."""
        self.left = Lifetimes()
        """Of what use they were."""

    def match(self, labels: Runs, label_tokens: int, limit: int) -> tuple[Segment, int]:
        """The longest prefix of `labels` held, in whole blocks of at most `limit` tokens.

        Returns its deepest segment and its length in tokens. Changes nothing.
        """
        block = self.block_tokens
        limit -= limit % block
        node, tokens = self.root, 0
        run, base = 0, 0
        while tokens < limit and node.children:
            label = (tokens + block - 1) // label_tokens
            while label >= base + labels[run + 1]:
                base += labels[run + 1]
                run += 2
            child = node.children.get(labels[run] + label - base)
            if child is None:
                break
            stop = min(child.end, (base + labels[run + 1]) * label_tokens, limit)
            stop -= stop % block
            if stop <= tokens:
                break
            node, tokens = child, stop
            if stop < child.end:
                break
        return node, tokens

    def unlocked_bytes(self, leaf: Segment, tokens: int) -> int:
        """Bytes of the path to `leaf`, up to `tokens`, that nobody locks yet."""
        top: Segment | None = leaf
        while top is not None and not (top.locks or top.pins):
            top = top.parent
        assert top is not None
        return (tokens - min(top.end, tokens)) // self.block_tokens * self.block_bytes

    def split(self, segment: Segment, tokens: int, label_tokens: int) -> Segment:
        """Cut `segment` at prefix length `tokens`; returns the new head, now its parent."""
        assert segment.parent is not None
        assert segment.parent.children is not None
        head = Segment(segment.parent, segment.key, segment.depth, tokens, segment.born)
        head.locks, head.reuses, head.used = segment.locks, segment.reuses, segment.used
        head.readers, head.text, head.pins = segment.readers, segment.text, segment.pins
        head.grew, head.grown_from = segment.grew, segment.grown_from
        segment.parent.children[segment.key] = head
        segment.key = self._key(segment, tokens, label_tokens)
        segment.parent, segment.depth = head, tokens
        head.children = {segment.key: segment}
        self.eviction.split(segment, head)
        return head

    def lock(self, leaf: Segment, now: Ns) -> None:
        """Nothing on the path to `leaf` may leave until `unlock`. Counts as use."""
        eviction = self.eviction
        node = leaf
        while node.parent is not None:
            eviction.touched(node, now)
            if not node.locks:
                if not node.pins:
                    self.locked += node.tokens // self.block_tokens * self.block_bytes
                eviction.locked(node)
            node.locks += 1
            node.reuses += 1
            node.used = now
            node = node.parent

    def hold(self, leaf: Segment) -> None:
        """As `lock`, for a copy to be made: no use of it."""
        node = leaf
        while node.parent is not None:
            if not node.locks:
                if not node.pins:
                    self.locked += node.tokens // self.block_tokens * self.block_bytes
                self.eviction.locked(node)
            node.locks += 1
            node = node.parent

    def unlock(self, leaf: Segment, now: Ns) -> None:
        """One reader less, deepest segment first: so a sequence's last block is released first."""
        node = leaf
        while node.parent is not None:
            node.locks -= 1
            if not node.locks:
                if not node.pins:
                    self.locked -= node.tokens // self.block_tokens * self.block_bytes
                self.eviction.released(node, now)
            node = node.parent

    def insert(
        self, leaf: Segment, labels: Runs, label_tokens: int, tokens: int, now: Ns
    ) -> Segment:
        """Continue the locked path that ends with `leaf` to `tokens`, whole blocks; the new leaf.

        Stops where somebody else has put the same blocks meanwhile: two copies are not kept.
        The new tokens are locked once, for the caller. Their bytes are counted here from now on.
        """
        block = self.block_tokens
        run, base = 0, 0
        first = leaf.end
        while leaf.end < tokens:
            label = (leaf.end + block - 1) // label_tokens
            while label >= base + labels[run + 1]:
                base += labels[run + 1]
                run += 2
            key = labels[run] + label - base
            stop = min(tokens, (base + labels[run + 1]) * label_tokens)
            stop -= stop % block
            if (
                leaf.locks == 1
                and not leaf.pins
                and not leaf.children
                and key == self._key(leaf, leaf.end, label_tokens)
            ):
                if leaf.grew != now:
                    leaf.grew, leaf.grown_from = now, leaf.end
                leaf.end = stop
                continue
            if leaf.children is None:
                leaf.children = {}
            elif key in leaf.children:
                break
            child = Segment(leaf, key, leaf.end, stop, now)
            child.locks = 1
            leaf.children[key] = child
            self.eviction.touched(child, now)
            self.eviction.locked(child)
            leaf = child
        added = (leaf.end - first) // block * self.block_bytes
        self.bytes += added
        self.locked += added
        return leaf

    def sign(self, leaf: Segment, start: int, text: object) -> None:
        """What lies behind token `start` on the path to `leaf` is out of `text`."""
        node = leaf
        while node.end > start and node.parent is not None:
            node.text = text
            node = node.parent

    def next_victim(self) -> Segment | None:
        """What would leave next if room were needed. Changes nothing."""
        victim: Any = self.eviction.victim(_evictable)
        return victim  # type: ignore[no-any-return]

    def pin(self, victim: Segment) -> None:
        """`victim` will leave when it has been copied. It keeps its place in the order."""
        self.leaving += victim.tokens // self.block_tokens * self.block_bytes
        node = victim
        while node.parent is not None:
            if not (node.locks or node.pins):
                self.locked += node.tokens // self.block_tokens * self.block_bytes
            node.pins += 1
            node = node.parent

    def unpin(self, victim: Segment, start: int) -> None:
        """The copy of `victim`, which began at token `start`, has ended: it leaves.

        It stays if it is being read by then, or has been continued.
        """
        self.leaving -= (victim.end - start) // self.block_tokens * self.block_bytes
        node = victim
        while node.parent is not None:
            node.pins -= 1
            if not (node.locks or node.pins):
                self.locked -= node.tokens // self.block_tokens * self.block_bytes
            node = node.parent
        self.demoted += self.drop(victim, start)

    def drop(self, leaf: Segment, start: int) -> int:
        """Let what lies behind token `start` on the path to `leaf` go, from its end on.

        Stops at what is being read or continued otherwise; returns the bytes gone.
        """
        gone, node = 0, leaf
        while node.parent is not None and node.end > start and _evictable(node):
            tokens, parent = node.end - max(start, node.depth), node.parent
            size = tokens // self.block_tokens * self.block_bytes
            self.left.add(node.born, node.used, node.reuses, size)
            self._trim(node, tokens)
            gone += size
            node = parent
        self.bytes -= gone
        self.evicted += gone
        return gone

    def evict(self, wanted: int) -> int:
        """Let at least `wanted` bytes go, and no block more; returns the bytes gone."""
        gone = 0
        while gone < wanted:
            victim: Any = self.eviction.victim(_evictable)
            if victim is None:
                break
            assert isinstance(victim, Segment)
            blocks = min(-((gone - wanted) // self.block_bytes), victim.tokens // self.block_tokens)
            gone += blocks * self.block_bytes
            self.left.add(victim.born, victim.used, victim.reuses, blocks * self.block_bytes)
            self._trim(victim, blocks * self.block_tokens)
        self.bytes -= gone
        self.evicted += gone
        return gone

    def segments(self) -> Iterator[Segment]:
        """All segments, for checks."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            if node.children:
                stack.extend(node.children.values())
            if node.parent is not None:
                yield node

    def staying(self) -> Lifetimes:
        """Of what use the bytes it holds now have been."""
        found = Lifetimes()
        for node in self.segments():
            size = node.tokens // self.block_tokens * self.block_bytes
            found.add(node.born, node.used, node.reuses, size)
        return found

    def check(self) -> None:
        """Counters agree with the tree, and locks never grow with depth."""
        held = locked = 0
        for node in self.segments():
            assert node.parent is not None
            assert node.tokens > 0
            assert node.depth == node.parent.end
            assert node.parent.parent is None or node.parent.locks >= node.locks
            assert node.parent.parent is None or node.parent.pins >= node.pins
            size = node.tokens // self.block_tokens * self.block_bytes
            held += size
            locked += size if node.locks or node.pins else 0
        assert (held, locked) == (self.bytes, self.locked)

    def _trim(self, segment: Segment, tokens: int) -> None:
        segment.end -= tokens
        if segment.end > segment.depth:
            return
        parent = segment.parent
        assert parent is not None
        assert parent.children is not None
        del parent.children[segment.key]
        self.eviction.removed(segment)

    def _key(self, segment: Segment, tokens: int, label_tokens: int) -> int:
        """The label that names the block after `tokens`, as this segment's ids go on."""
        offset = self.block_tokens - 1
        ahead = (tokens + offset) // label_tokens - (segment.depth + offset) // label_tokens
        return segment.key + ahead


def _evictable(segment: Any) -> bool:
    return not (segment.locks or segment.pins or segment.children)
