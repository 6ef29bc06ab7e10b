"""Attention: queries grouped by the KV they read, in even pieces."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("deft")
@dataclass(slots=True)
class DeFT(Attention):
    """Each node of the tree is read once with all queries through it, in even pieces (DeFT).

    Yao et al., DeFT: decoding with flash tree-attention for efficient tree-structured LLM
    inference, ICLR 2025. A last kernel reduces the partial results along the tree.
    """

    def kernel(self) -> Kernel:
        """The reduction is one kernel more."""
        return Kernel(tree=True, launches=1, partials=2)
