"""Attention: level by level."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("cascade")
@dataclass(slots=True)
class Cascade(Attention):
    """Shared levels by a prefill kernel, own parts by a decode kernel, then merged (FlashInfer).

    Ye et al., Cascade inference: memory bandwidth efficient shared prefix batch decoding,
    FlashInfer blog, 2024-02. vLLM v1 does so for what the whole batch shares (one level); the
    library takes any number, each of which is a kernel more and a merge.
    """

    levels: int = 1
    """Shared levels; more than one reads every shared stretch of a tree once."""

    def kernel(self) -> Kernel:
        """A kernel and a merge for each level."""
        return Kernel(tree=self.levels > 1, launches=2 * self.levels, partials=1 + self.levels)
