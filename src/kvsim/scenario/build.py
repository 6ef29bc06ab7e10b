"""From a scenario to a machine that can run: every name looked up, every part connected."""

from dataclasses import dataclass

from kvsim.calibration import attending, calibrated, engine
from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.residing import Residing
from kvsim.errors import InputError
from kvsim.hardware import GPU, gpu, host, nic
from kvsim.models import Model, model
from kvsim.scenario.allocating import agree, allocation
from kvsim.scenario.capacity import Capacity, capacity, shape
from kvsim.scenario.choices import answer, answer_of_tier, check
from kvsim.scenario.disaggregate import disaggregate
from kvsim.scenario.fleet import scale, widened
from kvsim.scenario.incidents import arm
from kvsim.scenario.objectives import asked
from kvsim.scenario.residing import residence, site
from kvsim.scenario.room import Room
from kvsim.scenario.schema import WIDTHS, Pool, Scenario
from kvsim.scenario.shelter import shelter
from kvsim.scenario.workload import workload
from kvsim.sim.clock import Clock
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.fabric import Link, watch
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.objectives import Objectives
from kvsim.sim.physics import Peak
from kvsim.sim.recorder import Recorder
from kvsim.sim.returning import Returning
from kvsim.sim.sharing import Sharing
from kvsim.sim.simulation import Simulation
from kvsim.sim.timing import StepTime
from kvsim.sim.unloaded import Unloaded
from kvsim.traces.request import Workload


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
    room: Room
    objectives: Objectives
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
    check(scenario.policies)
    host(scenario.cluster.node.host)
    nic(scenario.cluster.network)
    kind = model(scenario.model)
    profile = engine(scenario.engine)
    tokens = step_tokens(scenario, kind)
    pools = tuple(
        widened(scenario, replica(scenario, pool, kind, profile, tokens))
        for pool in scenario.cluster.pools
    )
    agree(scenario, kind, pools, longest_context(scenario, kind))
    load = workload(scenario)
    waste = scenario.measure.waste
    env, recorder = Clock(), Recorder(asked(scenario.slo).ask("itl") or waste, waste)
    router = answer("router", scenario.policies.router)
    cluster = Cluster(env, load, router, recorder, profile.request_ns)
    room = Room(env, scenario, kind.layout, kind.hidden_bytes())
    for part in pools:
        for _ in range(part.pool.replicas):
            room.place(part.pool.parallel.gpus)
    for part in pools:
        for _ in range(part.pool.replicas):
            made = _engine(env, scenario, kind, profile, part, cluster, room, step_by_step)
            cluster.engines.append(made)
    prefetch = answer("prefetch", scenario.policies.prefetch)
    if prefetch.foresees():
        cluster.returning = Returning(env, prefetch)
    disaggregate(scenario, kind, pools, cluster, room)
    shelter(scenario, kind, pools, cluster, room)
    scale(scenario, pools, cluster)
    arm(scenario, cluster)
    decoders = cluster.decoders or cluster.entries
    unloaded = Unloaded(cluster.entries[0], decoders[0], tokens, profile.request_ns)
    objectives = asked(scenario.slo, unloaded)
    simulation = Simulation(env, cluster, recorder)
    return Machine(scenario, kind, profile, pools, load, room, objectives, simulation)


def step_tokens(scenario: Scenario, kind: Model) -> int:
    """The most tokens that one step may compute."""
    scheduler = answer("scheduler", scenario.policies.scheduler)
    for limit in ("tokens", "sequences"):
        if getattr(scheduler, limit, 1) < 1:
            found = getattr(scheduler, limit)
            raise InputError(f"policies.scheduler: {limit} is {found}; a step needs 1 at least.")
    longest = longest_context(scenario, kind)
    return min(getattr(scheduler, "tokens", longest), longest)


def longest_context(scenario: Scenario, kind: Model) -> int:
    """The most tokens of a prompt and its answer: as asked for, or what the model was made for."""
    asked = scenario.cluster.memory.max_model_len or kind.context
    if asked > kind.context:
        raise InputError(
            f"cluster.memory.max_model_len: found {asked}; {kind.name} was made for at most "
            f"{kind.context} tokens."
        )
    return asked


def replica(
    scenario: Scenario, pool: Pool, kind: Model, profile: EngineProfile, tokens: int
) -> Replica:
    """A replica of `pool`: its GPU, its step times, its memory."""
    device, parallel = gpu(pool.gpu or scenario.cluster.node.gpu), pool.parallel
    _can_be_split(scenario, pool, kind)
    spec = scenario.policies.timing
    if spec is None:
        spec = "fitted" if calibrated(device.name) else "roofline"
    step_time = answer("timing", spec).step_time(
        kind,
        device,
        tensor=parallel.tensor,
        pipeline=parallel.pipeline,
        weight_bits=WIDTHS[scenario.precision.weights],
        kv_bits=WIDTHS[scenario.precision.kv],
        engine=profile,
    )
    if not step_time.projects and answer("restore", scenario.policies.restore).form != "kv":
        raise InputError(
            f"policies.restore: {scenario.policies.restore!r} makes KV of hidden states, and the "
            f"step times of policies.timing {spec!r} do not say how long that takes; choose fitted "
            "or roofline."
        )
    step_time = attending(answer("attention", scenario.policies.attention).kernel(), step_time)
    place = site(scenario, pool, kind, device, profile, tokens)
    home = residence(scenario, place)
    room = capacity(scenario, pool, kind, device, profile, tokens, home)
    if home is not None:
        inside = room.hbm // place.token
        step_time = Residing(step_time, home, place, inside)
    return Replica(pool, device, step_time, room)


def _can_be_split(scenario: Scenario, pool: Pool, kind: Model) -> None:
    """Raise InputError unless heads go into GPUs of one node, and layers into stages."""
    tensor, pipeline, node = pool.parallel.tensor, pool.parallel.pipeline, scenario.cluster.node
    where = f"cluster.pools.{scenario.cluster.pools.index(pool)}.parallel"
    if tensor > node.gpus:
        raise InputError(
            f"{where}.tensor: {tensor} GPUs have to be in one node; cluster.node.gpus is "
            f"{node.gpus}."
        )
    for heads in sorted({layer.query_heads for layer in kind.layers if layer.query_heads}):
        if heads % tensor:
            raise InputError(
                f"{where}.tensor: {kind.name} has {heads} attention heads, which {tensor} GPUs "
                "cannot share evenly."
            )
    if pipeline > len(kind.layers):
        raise InputError(
            f"{where}.pipeline: {kind.name} has {len(kind.layers)} layers, fewer than {pipeline}."
        )


def _engine(
    env: Clock,
    scenario: Scenario,
    kind: Model,
    profile: EngineProfile,
    part: Replica,
    cluster: Cluster,
    room: Room,
    step_by_step: bool,
) -> Engine:
    memory, policies = scenario.cluster.memory, scenario.policies
    whole = shape(scenario, kind, part.pool)

    def empty() -> KVMemory:
        return KVMemory.claimed(
            allocation(scenario),
            whole.claim,
            part.capacity.bytes,
            whole.block_bytes,
            answer_of_tier("eviction", policies.eviction, "hbm", "lru"),
            whole.windows,
            whole.state_bytes,
            memory.prefix_caching and whole.reusable,
            longest_context(scenario, kind),
        )

    kept = empty()
    sights = whole.sights(kind, part.pool.parallel.tensor)
    reaches = room.reaches(room.spots[len(cluster.engines)], part.gpu)
    hierarchy = traffic = None
    wires: list[Link] = []
    if reaches and kept.caching:
        wires = [link for reach in reaches for link in (reach.read[-1], reach.write[0])]
        traffic = room.traffic(wires, part.timing.bandwidth)
        restore = answer("restore", policies.restore)
        prefetch = answer("prefetch", policies.prefetch)
        hierarchy = Hierarchy(
            room.fabric, kept, part.timing, reaches, restore, len(sights), cluster.recorder,
            len(cluster.engines), len(kind.layers) if prefetch.by_layer() else 1, prefetch.window(),
        )  # fmt: skip
    made = Engine(
        env,
        len(cluster.engines),
        kept,
        part.timing,
        answer("scheduler", policies.scheduler),
        answer("preemption", policies.preemption),
        cluster.recorder,
        sights,
        cluster.follow,
        cluster.resume,
        longest_context(scenario, kind),
        step_by_step,
        hierarchy,
        traffic,
        profile.runs_ahead,
        answer("predictor", policies.predictor, oracles=True),
        None if policies.admission == "always" else answer("admission", policies.admission),
    )
    made.fresh_memory = empty
    made.on_loss = cluster.lost
    kernel = answer("attention", policies.attention).kernel()
    if kernel is not None and not kernel.spread and kept.caching:
        made.batch.sharing = Sharing(kernel)
    if traffic is not None:
        watch(wires, made.disturbed)
    return made
