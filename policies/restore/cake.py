"""Restore: from both ends."""

from dataclasses import dataclass

from kvsim.sim.policy import Range, Restore, RestoreView, restore


@restore.register("cake")
@dataclass(slots=True)
class Cake(Restore):
    """The GPU computes from the front while the link loads from the back, until they meet (Cake).

    Jin et al., Compute or load KV cache? Why not both?, ICML 2025 (arXiv 2410.03065). Where they
    meet is not foreseen: whoever is faster at the moment gets further, so a busy GPU leaves more to
    the link, and a busy link more to the GPU.
    """

    piece: int = 512
    """Tokens that are loaded at a time, and computed in a step (recalled of the paper)."""

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """All of it may be loaded."""
        return (Range(view.tokens, "kv"),)
