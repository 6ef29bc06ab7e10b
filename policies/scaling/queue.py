"""Scaling: by the queue."""

from dataclasses import dataclass, field
from math import ceil

from kvsim.sim.policy import FleetView, Scaling, scaling
from kvsim.units import SECOND, Ns


@scaling.register("queue")
@dataclass(slots=True)
class Queue(Scaling):
    """Up when more than some requests wait per replica, down by one when none has for a while.

    Up to as many replicas as leave each no more than `target` waiting, one at least; those that
    start count, so that a queue is answered once.
    """

    target: float = 5.0
    """Waiting requests per replica (vLLM production stack's KEDA example, recalled)."""
    period: int = 15 * SECOND
    """Between two looks (Kubernetes' HPA sync period)."""
    up_cooldown: int = 0
    """After a change, before replicas are added (Kubernetes adds at once)."""
    down_cooldown: int = 300 * SECOND
    """With nobody waiting and no change, before one goes (Kubernetes' scale-down stabilization)."""
    _changed: Ns = field(init=False, repr=False, default=-(1 << 62))
    _waited: Ns = field(init=False, repr=False, default=0)

    def replicas(self, view: FleetView, now: Ns) -> int:
        """More, one less, or as many as now."""
        current = view.up + view.starting
        wanted = current
        if view.waiting:
            self._waited = now
        if view.waiting > self.target * current:
            if now - self._changed >= self.up_cooldown:
                wanted = max(current + 1, ceil(view.waiting / self.target))
        elif now - max(self._waited, self._changed) >= self.down_cooldown:
            wanted = current - 1
        if wanted != current:
            self._changed = now
        return wanted
