"""Attention: tokens, not heads, split over GPUs."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("tree_attention")
@dataclass(slots=True)
class TreeAttention(Attention):
    """A context's tokens are split over the GPUs; three all-reduces merge what each found.

    Shyam et al., Tree attention: topology-aware decoding for long-context attention on GPU
    clusters, 2024. Worth its collectives where there are fewer KV heads than GPUs: split by heads,
    the same KV would be kept and read several times.
    """

    def kernel(self) -> Kernel:
        """No head is kept twice."""
        return Kernel(spread=True)
