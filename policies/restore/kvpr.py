"""Restore: split between hidden states and KV."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.sim.policy import Kept, Range, Restore, RestoreView, restore


@restore.register("kvpr")
@dataclass(slots=True)
class KVPR(Restore):
    """K and V of the first tokens are made of loaded activations while the others' load (KVPR).

    Jiang et al., KVPR: efficient LLM inference with I/O-aware KV cache partial recomputation, 2024
    (arXiv 2411.17089). The tier keeps both forms. l of s tokens such that projecting l takes as
    long as loading s - l: later ones would make it longer, earlier ones load more bytes. Nothing is
    split where hidden states are no smaller than KV. There a step of decoding is meant, here a
    prefix that comes back.
    """

    form: ClassVar[Kept] = "both"

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """l project / s = (s - l) load / s."""
        both = view.project + view.load
        first = view.tokens * view.load // both if both and view.hidden < view.load else 0
        return Range(first, "hidden"), Range(view.tokens - first, "kv")
