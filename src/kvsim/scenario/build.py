"""From a scenario to a machine that can run: every name looked up, every part connected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kvsim.calibration import calibrations, engine
from kvsim.calibration.engine import EngineProfile
from kvsim.errors import InputError, perhaps
from kvsim.hardware import GPU, gpu
from kvsim.models import Model, model
from kvsim.policies import answers
from kvsim.scenario.capacity import Capacity, capacity, shape
from kvsim.scenario.schema import WIDTHS, Pool, Scenario
from kvsim.scenario.workload import workload
from kvsim.sim.clock import Clock
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.memory import KVMemory
from kvsim.sim.physics import Peak
from kvsim.sim.recorder import Recorder
from kvsim.sim.simulation import Simulation
from kvsim.sim.timing import StepTime
from kvsim.traces.request import Workload

TIERS = ("hbm",)
"""Tiers that may have an eviction policy of their own."""


@dataclass(frozen=True)
class Replica:
    """What the replicas of one pool have in common."""

    pool: Pool
    gpu: GPU
    timing: StepTime
    capacity: Capacity


@dataclass(frozen=True)
class Machine:
    """A scenario, built. Runs once."""

    scenario: Scenario
    model: Model
    profile: EngineProfile
    pools: tuple[Replica, ...]
    workload: Workload
    simulation: Simulation

    @property
    def peaks(self) -> list[Peak]:
        """What each replica can do at most."""
        return [
            Peak(part.timing.peak_flops, part.timing.bandwidth)
            for part in self.pools
            for _ in range(part.pool.replicas)
        ]


def build(scenario: Scenario, step_by_step: bool = False) -> Machine:
    """The machine a scenario describes. Raises InputError for what cannot be."""
    kind = model(scenario.model)
    profile = engine(scenario.engine)
    tokens = step_tokens(scenario, kind)
    pools = tuple(replica(scenario, pool, kind, profile, tokens) for pool in scenario.cluster.pools)
    load = workload(scenario)
    env, recorder = Clock(), Recorder()
    router = _answer("router", scenario.policies.router)
    cluster = Cluster(env, load, router, recorder, profile.request_ns)
    for part in pools:
        for _ in range(part.pool.replicas):
            cluster.engines.append(_engine(env, scenario, kind, part, cluster, step_by_step))
    return Machine(scenario, kind, profile, pools, load, Simulation(env, cluster, recorder))


def step_tokens(scenario: Scenario, kind: Model) -> int:
    """The most tokens that one step may compute."""
    scheduler = _answer("scheduler", scenario.policies.scheduler)
    longest = min(scenario.cluster.memory.max_model_len or kind.context, kind.context)
    return min(getattr(scheduler, "tokens", longest), longest)


def replica(
    scenario: Scenario, pool: Pool, kind: Model, profile: EngineProfile, tokens: int
) -> Replica:
    """A replica of `pool`: its GPU, its step times, its memory."""
    device, parallel = gpu(pool.gpu or scenario.cluster.node.gpu), pool.parallel
    if parallel.tensor > scenario.cluster.node.gpus:
        raise InputError(
            f"tensor parallel {parallel.tensor} needs as many GPUs in one node; "
            f"cluster.node.gpus is {scenario.cluster.node.gpus}."
        )
    spec = scenario.policies.timing
    if spec is None:
        spec = "fitted" if device.name in calibrations() else "roofline"
    timing = answers("timing").make(spec)
    step_time = timing.step_time(
        kind,
        device,
        tensor=parallel.tensor,
        pipeline=parallel.pipeline,
        weight_bits=WIDTHS[scenario.precision.weights],
        kv_bits=WIDTHS[scenario.precision.kv],
        engine=profile,
    )
    return Replica(pool, device, step_time, capacity(scenario, pool, kind, device, profile, tokens))


def _engine(
    env: Clock,
    scenario: Scenario,
    kind: Model,
    part: Replica,
    cluster: Cluster,
    step_by_step: bool,
) -> Engine:
    memory, policies = scenario.cluster.memory, scenario.policies
    whole = shape(kind, part.pool, WIDTHS[scenario.precision.kv], memory.block_tokens)
    longest = memory.max_model_len or kind.context
    return Engine(
        env,
        len(cluster.engines),
        KVMemory(
            part.capacity.bytes,
            memory.block_tokens,
            whole.block_bytes,
            _answer("eviction", _of_tier(policies.eviction, "hbm")),
            whole.windows,
            whole.state_bytes,
            memory.prefix_caching and whole.reusable,
        ),
        part.timing,
        _answer("scheduler", policies.scheduler),
        _answer("preemption", policies.preemption),
        cluster.recorder,
        whole.sights(kind, part.pool.parallel.tensor),
        cluster.follow,
        cluster.resume,
        longest,
        step_by_step,
    )


def _answer(name: str, spec: Any) -> Any:
    """A fresh answer, which must be able to do without the future."""
    made = answers(name).make(spec)
    if "future" in getattr(made, "needs", ()):
        raise InputError(f"policies.{name}: {spec!r} knows the future, which a timed run does not.")
    return made


def _of_tier(spec: Any, tier: str) -> Any:
    """The eviction of one tier: one answer serves all, or each is named."""
    if isinstance(spec, Mapping) and set(spec) & set(TIERS):
        for name in spec:
            if name not in TIERS:
                raise InputError(f"policies.eviction: no tier {name!r}.{perhaps(name, TIERS)}")
        return spec.get(tier, "lru")
    return spec
