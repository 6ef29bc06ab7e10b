"""Restore: the head is computed, the rest is loaded."""

from dataclasses import dataclass

from kvsim.sim.policy import Range, Restore, RestoreView, restore


@restore.register("pensieve")
@dataclass(slots=True)
class Pensieve(Restore):
    """The head of the history is computed while the rest is loaded (Pensieve's prefix drop).

    Yu, Lin & Li, Stateful large language model serving with Pensieve, EuroSys 2025 (arXiv
    2312.05516). There the head is what DRAM had no room for; a prefix index keeps no tail without
    its head, so here the tier holds it too, and it is as long as makes both end together, the queue
    ahead counted, if times grow evenly.
    """

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """compute x / tokens + ahead = load (1 - x / tokens), for x."""
        both = view.load + view.compute
        head = view.tokens * max(0, view.load - view.ahead) // both if both else 0
        return Range(head, "compute"), Range(view.tokens - head, "kv")
