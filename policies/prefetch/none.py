"""Prefetch: nothing ahead of time."""

from dataclasses import dataclass

from kvsim.sim.policy import Prefetch, prefetch


@prefetch.register("none")
@dataclass(slots=True)
class Nothing(Prefetch):
    """A request waits until all its KV has landed. The template: copy this file."""

    def by_layer(self) -> bool:
        """False."""
        return False
