"""Prefetch: layer by layer."""

from dataclasses import dataclass

from kvsim.sim.policy import Prefetch, prefetch


@prefetch.register("layerwise")
@dataclass(slots=True)
class Layerwise(Prefetch):
    """KV comes up layer by layer behind the step that uses it (CachedAttention, ATC 2024).

    The step ends when its arithmetic is done, and not before the last layer has been computed
    after it has landed: the longest path through loads and layers.
    """

    def by_layer(self) -> bool:
        """True."""
        return True
