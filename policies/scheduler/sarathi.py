"""Scheduler: small chunks of prompts beside every decode."""

from dataclasses import dataclass

from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.sim.policy import scheduler


@scheduler.register("sarathi")
@dataclass(slots=True)
class Sarathi(ChunkedPrefill):
    """Decodes first, and chunks of prompts up to a budget that keeps TPOT (stall-free batching).

    Agrawal et al., Taming throughput-latency tradeoff in LLM inference with Sarathi-Serve, OSDI
    2024. vLLM v1 does the same with a larger budget (`chunked_prefill`).
    """

    tokens: int = 512
    """Token budget of a step; the paper uses 256 to 2,048 by objective."""
    sequences: int = 128
