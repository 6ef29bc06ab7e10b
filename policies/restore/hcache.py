"""Restore: hidden states."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.sim.policy import Kept, Range, Restore, RestoreView, restore


@restore.register("hcache")
@dataclass(slots=True)
class HCache(Restore):
    """Hidden states are kept and loaded, and K and V made of them on the GPU (HCache).

    Gao et al., Fast state restoration in LLM serving with HCache, EuroSys 2025 (arXiv 2410.05004).
    Half the bytes of KV where each query head has a KV head of its own, more than KV where few do.
    With `prefetch: layerwise` a layer is projected while the next ones are loaded. There some
    layers are kept as KV so that link and GPU take equally long; here none are.
    """

    form: ClassVar[Kept] = "hidden"

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """All of it."""
        return (Range(view.tokens, "hidden"),)
