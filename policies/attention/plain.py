"""Attention: each sequence for itself."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("plain")
@dataclass(slots=True)
class Plain(Attention):
    """Each sequence reads its whole context, as paged FlashAttention and FlashDecoding do.

    The template: copy this file.
    """

    def kernel(self) -> Kernel | None:
        """None."""
        return None
