"""What the sequences of a decode batch have in common: tokens that several of them read.

Counted where sequences join and leave; nothing here depends on how long the batch decodes, because
what they generate is their own.
"""

from kvsim.sim.policy import Kernel
from kvsim.sim.prefix import Segment
from kvsim.sim.sequence import Sequence


class Sharing:
    """Paths in the prefix tree of those who decode, and how much of them is read once too often."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._leaves: dict[int, Segment] = {}
        self._repeated = 0
        """Tokens of shared segments, once for each reader beyond the first."""

    def enter(self, sequence: Sequence) -> None:
        """`sequence` decodes from now on."""
        leaf = sequence.leaf
        assert leaf is not None
        self._leaves[sequence.id] = leaf
        node = leaf
        while node.parent is not None:
            if node.readers:
                self._repeated += self._whole(node)
            node.readers += 1
            node = node.parent

    def exit(self, sequence: Sequence) -> None:
        """`sequence` does not decode any more."""
        node = self._leaves.pop(sequence.id)
        while node.parent is not None:
            node.readers -= 1
            if node.readers:
                self._repeated -= self._whole(node)
            node = node.parent

    @property
    def saved(self) -> int:
        """Tokens that the kernel need not read again, summed over the batch."""
        if self.kernel.tree or not self._repeated:
            return self._repeated
        everyone = len(self._leaves)
        node, common = next(iter(self._leaves.values())), 0
        while node.parent is not None:
            common += self._whole(node) if node.readers == everyone else 0
            node = node.parent
        return common * (everyone - 1)

    def _whole(self, node: Segment) -> int:
        """Tokens of a segment that come in whole grains."""
        grain = self.kernel.grain
        return node.end // grain * grain - node.depth // grain * grain
