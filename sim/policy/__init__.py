"""The questions that the machine asks. `policies/` answers them; nothing else decides anything."""

from kvsim.sim.policy.evicting import Eviction
from kvsim.sim.policy.pacing import Timing
from kvsim.sim.policy.routing import Router
from kvsim.sim.policy.scheduling import Preemption, Prefill, Scheduler
from kvsim.sim.policy.tiering import Placement, Prefetch, Restore, RestoreView, Stored
from kvsim.sim.policy.views import EngineView, Foretold, ReplicaView, SegmentView, SequenceView
from kvsim.sim.registry import Registry

__all__ = [
    "EngineView",
    "Eviction",
    "Foretold",
    "Placement",
    "Preemption",
    "Prefetch",
    "Prefill",
    "ReplicaView",
    "Restore",
    "RestoreView",
    "Router",
    "Scheduler",
    "SegmentView",
    "SequenceView",
    "Stored",
    "Timing",
    "eviction",
    "placement",
    "preemption",
    "prefetch",
    "restore",
    "router",
    "scheduler",
    "timing",
]

eviction = Registry[Eviction]("eviction")
router = Registry[Router]("router")
scheduler = Registry[Scheduler]("scheduler")
preemption = Registry[Preemption]("preemption")
restore = Registry[Restore]("restore")
prefetch = Registry[Prefetch]("prefetch")
placement = Registry[Placement]("placement")
timing = Registry[Timing]("timing")
