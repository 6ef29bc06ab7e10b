"""The questions that the machine asks. `policies/` answers them; nothing else decides anything."""

from kvsim.sim.policy.attending import Attention, Kernel
from kvsim.sim.policy.evicting import Eviction
from kvsim.sim.policy.pacing import Timing
from kvsim.sim.policy.residing import Residence, Residency, Site, Worker
from kvsim.sim.policy.routing import Router
from kvsim.sim.policy.scheduling import Preemption, Prefill, Scheduler
from kvsim.sim.policy.tiering import Placement, Prefetch, Restore, RestoreView, Stored
from kvsim.sim.policy.views import EngineView, Foretold, ReplicaView, SegmentView, SequenceView
from kvsim.sim.registry import Registry

__all__ = [
    "Attention",
    "EngineView",
    "Eviction",
    "Foretold",
    "Kernel",
    "Placement",
    "Preemption",
    "Prefetch",
    "Prefill",
    "ReplicaView",
    "Residence",
    "Residency",
    "Restore",
    "RestoreView",
    "Router",
    "Scheduler",
    "SegmentView",
    "SequenceView",
    "Site",
    "Stored",
    "Timing",
    "Worker",
    "attention",
    "eviction",
    "placement",
    "preemption",
    "prefetch",
    "residency",
    "restore",
    "router",
    "scheduler",
    "timing",
]

attention = Registry[Attention]("attention")
eviction = Registry[Eviction]("eviction")
router = Registry[Router]("router")
scheduler = Registry[Scheduler]("scheduler")
preemption = Registry[Preemption]("preemption")
residency = Registry[Residency]("residency")
restore = Registry[Restore]("restore")
prefetch = Registry[Prefetch]("prefetch")
placement = Registry[Placement]("placement")
timing = Registry[Timing]("timing")
