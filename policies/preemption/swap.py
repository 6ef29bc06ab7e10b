"""Preemption: KV waits in the host's memory."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from kvsim.policies.preemption.chosen import Chosen
from kvsim.sim.policy import preemption


@preemption.register("swap")
@dataclass(slots=True)
class Swap(Chosen):
    """The victim's KV moves to the host's memory, and back before it goes on (vLLM v0).

    Kwon et al., Efficient memory management for large language model serving with PagedAttention,
    SOSP 2023. The step that needs the memory waits until it has gone. Without room there, and for
    prompts in progress, KV is computed again.
    """

    fate: ClassVar[Literal["recompute", "swap", "migrate"]] = "swap"
    space: int = 4 * 2**30
    """Bytes of host memory per GPU (vLLM v0 `--swap-space`, 4 GiB)."""
    copy: int = 0
    """Nanoseconds to start one copy: of K or of V of a layer, as far as blocks lie side by side
    (`policies.allocation`). cudaMemcpyAsync takes some 10 us (FastSwitch; recalled)."""
