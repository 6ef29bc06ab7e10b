"""Attention: the prefix that all share, as one matrix product."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("hydragen")
@dataclass(slots=True)
class Hydragen(Attention):
    """What all sequences of the batch share is read once, with their queries batched (Hydragen).

    Juravsky et al., Hydragen: high-throughput LLM inference with shared prefixes, 2024. Attention
    over the prefix and over the suffixes are kernels of their own, and a third one combines them by
    their log-sum-exps. Of a tree of prefixes the paper's hierarchical form shares every level that
    it was told of beforehand: `tree: true`.
    """

    tree: bool = False

    def kernel(self) -> Kernel:
        """Two kernels more, two partial results."""
        return Kernel(tree=self.tree, launches=2, partials=2)
