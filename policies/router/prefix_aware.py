"""Router: where the prompt's prefix is cached, unless that replica is overloaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns


@router.register("prefix_aware")
@dataclass(slots=True)
class PrefixAware(Router):
    """The replica that holds most of the prompt, unless loads are uneven; then the least loaded.

    After SGLang's router (cache-aware mode, `sglang-router` documentation; thresholds recalled):
    balance first when the largest load exceeds the smallest by more than `balance_absolute`
    requests and by `balance_relative` times; else the longest cached prefix if it covers at least
    `cache_threshold` of the prompt.
    """

    cache_threshold: float = 0.3
    balance_absolute: int = 32
    balance_relative: float = 1.1

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """The replica with the longest cached prefix or the lightest load."""
        loads = [replica.waiting_requests + replica.running_requests for replica in replicas]
        lightest = min(loads)
        if max(loads) <= max(lightest + self.balance_absolute, lightest * self.balance_relative):
            cached = [replica.cached(sequence) for replica in replicas]
            longest = max(cached)
            if longest >= self.cache_threshold * sequence.prompt_tokens:
                return cached.index(longest)
        return loads.index(lightest)
