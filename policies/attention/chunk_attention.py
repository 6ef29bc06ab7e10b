"""Attention: a tree of chunks in two phases."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("chunk_attention")
@dataclass(slots=True)
class ChunkAttention(Attention):
    """Shared chunks of a prefix tree first, then each sequence's own (ChunkAttention).

    Ye, Tao, Huang & Li, ChunkAttention: efficient self-attention with prefix-aware KV cache and
    two-phase partition, ACL 2024. Only whole chunks are shared; its kernels handle 64 tokens.
    """

    chunk: int = 64

    def kernel(self) -> Kernel:
        """The second phase is one kernel more, and starts from the first one's partial results."""
        return Kernel(tree=True, grain=self.chunk, launches=1, partials=1)
