"""The questions that the machine asks. `policies/` answers them; nothing else decides anything."""

from kvsim.sim.policy.admitting import Admission
from kvsim.sim.policy.allocating import Allocation, Claim, Store
from kvsim.sim.policy.attending import Attention, Kernel
from kvsim.sim.policy.evicting import Eviction
from kvsim.sim.policy.foretelling import Predictor
from kvsim.sim.policy.pacing import Timing
from kvsim.sim.policy.residing import Residence, Residency, Site, Worker
from kvsim.sim.policy.roles import Role, Roles, RoleView
from kvsim.sim.policy.routing import Router
from kvsim.sim.policy.scaling import FleetView, Scaling
from kvsim.sim.policy.scheduling import (
    Hold,
    Move,
    Pause,
    Preempt,
    Preemption,
    Prefill,
    Resume,
    Scheduler,
    Stand,
)
from kvsim.sim.policy.tiering import (
    Absence,
    Kept,
    Placement,
    Prefetch,
    Range,
    Restore,
    RestoreView,
    Stored,
)
from kvsim.sim.policy.views import EngineView, Foretold, ReplicaView, SegmentView, SequenceView
from kvsim.sim.registry import Registry

__all__ = [
    "Absence",
    "Admission",
    "Allocation",
    "Attention",
    "Claim",
    "EngineView",
    "Eviction",
    "FleetView",
    "Foretold",
    "Hold",
    "Kept",
    "Kernel",
    "Move",
    "Pause",
    "Placement",
    "Predictor",
    "Preempt",
    "Preemption",
    "Prefetch",
    "Prefill",
    "Range",
    "ReplicaView",
    "Residence",
    "Residency",
    "Restore",
    "RestoreView",
    "Resume",
    "Role",
    "RoleView",
    "Roles",
    "Router",
    "Scaling",
    "Scheduler",
    "SegmentView",
    "SequenceView",
    "Site",
    "Stand",
    "Store",
    "Stored",
    "Timing",
    "Worker",
    "admission",
    "allocation",
    "attention",
    "eviction",
    "placement",
    "predictor",
    "preemption",
    "prefetch",
    "residency",
    "restore",
    "roles",
    "router",
    "scaling",
    "scheduler",
    "timing",
]

admission = Registry[Admission]("admission")
allocation = Registry[Allocation]("allocation")
attention = Registry[Attention]("attention")
eviction = Registry[Eviction]("eviction")
roles = Registry[Roles]("roles")
router = Registry[Router]("router")
scaling = Registry[Scaling]("scaling")
scheduler = Registry[Scheduler]("scheduler")
preemption = Registry[Preemption]("preemption")
residency = Registry[Residency]("residency")
restore = Registry[Restore]("restore")
predictor = Registry[Predictor]("predictor")
prefetch = Registry[Prefetch]("prefetch")
placement = Registry[Placement]("placement")
timing = Registry[Timing]("timing")
