"""Scaling: by how much of each replica is in use."""

from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from kvsim.sim.policy import FleetView, Scaling, scaling
from kvsim.units import SECOND, Ns


@scaling.register("utilization")
@dataclass(slots=True)
class Utilization(Scaling):
    """Replicas x use / target, rounded up; fewer only after a while (Kubernetes' HPA).

    desired = ceil(current x metric / target), unless metric / target is within the tolerance of 1.
    Replicas that start count with no use, and none goes while one starts. The most that was wanted
    in the last `stabilization` is kept.
    """

    metric: Literal["kv", "running", "rate"] = "kv"
    """Share of KV memory held; requests that run or wait; requests that come in a second: all of
    them per replica."""
    target: float = 0.7
    """What the metric should be."""
    tolerance: float = 0.1
    """HPA's default."""
    period: int = 15 * SECOND
    """HPA's sync period."""
    stabilization: int = 300 * SECOND
    """HPA's default for scaling down."""
    _wanted: list[tuple[Ns, int]] = field(init=False, repr=False, default_factory=list)

    def replicas(self, view: FleetView, now: Ns) -> int:
        """By the formula, or the most of late if that is more."""
        current = view.up + view.starting
        ratio = self._use(view) / (self.target * max(1, current))
        wanted = ceil(current * ratio) if abs(ratio - 1) > self.tolerance else current
        if view.starting:
            wanted = max(wanted, current)
        since = now - self.stabilization
        self._wanted = [one for one in self._wanted if one[0] > since] + [(now, wanted)]
        if wanted >= current:
            return wanted
        return min(current, max(number for _, number in self._wanted))

    def _use(self, view: FleetView) -> float:
        """The metric, summed over the replicas that are up."""
        if self.metric == "kv":
            return view.kv * view.up
        if self.metric == "running":
            return view.waiting + view.running
        return view.arrived * SECOND / view.passed
