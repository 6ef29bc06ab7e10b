"""Attention: one context, many samples."""

from dataclasses import dataclass

from kvsim.sim.policy import Attention, Kernel, attention


@attention.register("bifurcated")
@dataclass(slots=True)
class Bifurcated(Attention):
    """The context that all samples share is multiplied once (bifurcated attention).

    Athiwaratkun et al., Bifurcated attention, 2024. Scores over the context and over what each
    sample has decoded are two products, written side by side for one softmax, and so are the
    values, which are added: in plain PyTorch three kernels more (derived from the paper's listing).
    """

    def kernel(self) -> Kernel:
        """Three kernels more; the two sums of values are written, read and added."""
        return Kernel(launches=3, partials=2)
