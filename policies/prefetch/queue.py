"""Prefetch: as far as the queue tells."""

from dataclasses import dataclass

from kvsim.sim.policy import Prefetch, prefetch


@prefetch.register("queue")
@dataclass(slots=True)
class Queue(Prefetch):
    """KV of the first waiting requests is copied from drives to DRAM before their turn.

    Gao et al., CachedAttention, USENIX ATC 2024: scheduler-aware fetching, whose window is what
    DRAM has room for. With `layers`, what then comes up overlaps with computing, as there.
    """

    requests: int = 16
    """Waiting requests that are looked at."""
    layers: bool = False

    def by_layer(self) -> bool:
        """As asked for."""
        return self.layers

    def window(self) -> int:
        """As asked for."""
        return self.requests
