"""Random machines under random load, for the laws."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

from hypothesis import strategies as st
from machine import BLOCK, TENSOR, Affine, Below, Machine

from kvsim.policies import answers
from kvsim.policies.allocation.block_groups import BlockGroups
from kvsim.policies.allocation.paged import Paged
from kvsim.policies.allocation.per_layer import PerLayer
from kvsim.policies.allocation.reserve_max import ReserveMax
from kvsim.policies.allocation.reserve_oracle import ReserveOracle
from kvsim.policies.allocation.reserve_pow2 import ReservePow2
from kvsim.policies.allocation.state_slots import StateSlots
from kvsim.policies.allocation.virtual_memory import VirtualMemory
from kvsim.policies.eviction.look_ahead import LookAhead
from kvsim.policies.eviction.lru import LRU
from kvsim.policies.placement.predicted import Predicted
from kvsim.policies.placement.selective import Selective
from kvsim.policies.placement.write_back import WriteBack
from kvsim.policies.placement.write_through import WriteThrough
from kvsim.policies.predictor.histogram import Histogram
from kvsim.policies.predictor.oracle import Oracle
from kvsim.policies.preemption.migrate import Migrate
from kvsim.policies.preemption.recompute import Recompute
from kvsim.policies.preemption.swap import Swap
from kvsim.policies.prefetch.session_return import SessionReturn
from kvsim.policies.restore.break_even import BreakEven
from kvsim.policies.restore.cake import Cake
from kvsim.policies.restore.hcache import HCache
from kvsim.policies.restore.kvpr import KVPR
from kvsim.policies.restore.load import Load
from kvsim.policies.restore.pensieve import Pensieve
from kvsim.policies.roles.pressure import Pressure
from kvsim.policies.roles.splitwise import Splitwise
from kvsim.policies.router.least_loaded import LeastLoaded
from kvsim.policies.router.prefix_aware import PrefixAware
from kvsim.policies.router.round_robin import RoundRobin
from kvsim.policies.scaling.queue import Queue
from kvsim.policies.scaling.utilization import Utilization
from kvsim.sim.batch import Windowed
from kvsim.sim.policy import Admission, Scheduler, Store
from kvsim.traces.request import Pause, Request
from kvsim.units import MS, Ns


@st.composite
def schedulers(draw: st.DrawFn) -> Scheduler:
    """Any of the registry, with few seats and few tokens; half of them the usual one."""
    name = draw(st.sampled_from(["chunked_prefill"] * 8 + answers("scheduler").names()))
    return _made(
        "scheduler",
        name,
        tokens=draw(st.sampled_from([64, 128, 8192])),
        sequences=draw(st.integers(1, 8)),
        quantum=draw(st.integers(1, 20)),
    )


@st.composite
def admissions(draw: st.DrawFn) -> Admission | None:
    """Any of the registry, that turns away some; mostly none."""
    name = draw(st.sampled_from([None] * 6 + answers("admission").names()))
    if name is None:
        return None
    waiting, ttft = draw(st.integers(1, 4)), draw(st.integers(5, 20)) * MS
    return _made("admission", name, waiting=waiting, ttft=ttft, tpot=ttft)


def _made(question: str, name: str, **small: int) -> Any:
    """An answer with those of `small` that it has."""
    fields = {one.name for one in answers(question).describe(name).parameters}
    return answers(question).make({name: {k: v for k, v in small.items() if k in fields}})


@st.composite
def machines(draw: st.DrawFn) -> Callable[[bool], Machine]:
    """A machine under random load: shared prefixes, sessions, tools, windows, too little memory."""
    label_tokens = draw(st.sampled_from([16, 64]))
    requests = []
    for index in range(draw(st.integers(1, 12))):
        prompt = draw(st.integers(1, 300))
        output = draw(st.integers(1, 80))
        shared = draw(st.integers(0, 4))
        labels = -(-prompt // label_tokens)
        blocks = (
            (100, shared, 1000 * (index + 1), labels - shared)
            if 0 < shared < labels
            else (1000 * (index + 1), labels)
        )
        pauses = ()
        if output > 2 and draw(st.booleans()):
            after = draw(st.integers(1, output - 1))
            pauses = (Pause(after, draw(st.integers(0, 50)) * MS, draw(st.integers(0, 40))),)
        arrival = draw(st.integers(0, 400)) * MS // draw(st.sampled_from([1, 2, 3]))
        requests.append(
            Request(
                index,
                arrival,
                prompt,
                output,
                blocks,
                label_tokens,
                session=index,
                pauses=pauses,
                client=draw(st.sampled_from("ab")),
                priority=draw(st.integers(0, 2)),
            )
        )
    turns = draw(st.integers(0, 2))
    think = draw(st.integers(0, 30)) * MS

    def follow(request: Request, finished: Ns) -> Request | None:
        if request.turn >= turns:
            return None
        prompt = request.prompt_tokens + request.output_tokens + 10
        return request._replace(
            id=request.id + 1000, turn=request.turn + 1, arrival=finished + think,
            prompt_tokens=prompt, blocks=(*request.blocks[:-1], -(-prompt // label_tokens)),
        )  # fmt: skip

    timing = Affine(
        base=draw(st.sampled_from([MS, 7 * MS, 10 * MS + 1])),
        per_token=draw(st.integers(0, 20_000)),
        per_context=draw(st.integers(0, 3_000)),
        knot=draw(st.sampled_from([None, 100, 37])),
        per_projected=draw(st.sampled_from([0, 5_000, 100_000])),
    )
    windows, sights = draw(
        st.sampled_from(
            [
                ((), (None,)),
                ((Windowed(64, 8, False),), (None, 0)),
                ((Windowed(48, 8, True),), (None, 0)),
            ]
        )
    )
    scheduler, admission = draw(schedulers()), draw(admissions())
    router = draw(st.sampled_from([RoundRobin, LeastLoaded, PrefixAware]))
    replicas = draw(st.integers(1, 3))
    blocks = draw(st.sampled_from([45, 60, 90, 1000]))
    caching = draw(st.booleans())
    tiers = draw(st.sampled_from(TIERS))
    cakes = [partial(Cake, piece) for piece in (16, 40, 512)]
    restore = draw(st.sampled_from([Load, BreakEven, HCache, KVPR, Pensieve, *cakes]))
    layers = draw(st.sampled_from([1, 1, 4]))
    disturbance = draw(st.sampled_from([0.0, 0.01, 0.3]))
    predictor = draw(st.sampled_from([None, Histogram, Oracle]))
    ahead = draw(st.booleans())
    window = draw(st.sampled_from([0, 3]))
    prefetch = draw(st.sampled_from([None, SessionReturn(), SessionReturn(0.9, 2)]))
    eviction = draw(st.sampled_from([LRU, LRU, LookAhead]))
    roles, incidents = (), ()
    if not windows and draw(st.booleans()):
        roles = draw(st.sampled_from([("prefill", "decode"), ("prefill", "decode", "decode")]))
        replicas = len(roles)
    push = draw(st.sampled_from(["layerwise", "request"]))
    wire = draw(st.sampled_from([1e4, 1e6]))
    if draw(st.booleans()):
        which, at = draw(st.integers(0, replicas - 1)), draw(st.integers(0, 500)) * MS
        incidents = draw(
            st.sampled_from(
                [
                    ((at, which, "fail"), (at + draw(st.integers(1, 200)) * MS, which, "recover")),
                    ((at, which, "slow"),),
                ]
            )
        )
    preemption = draw(st.sampled_from(PREEMPTIONS))
    scaling, startup = None, draw(st.integers(0, 60)) * MS
    if not incidents:
        scaling = draw(st.sampled_from(SCALINGS))
    casting = draw(st.sampled_from(CASTINGS)) if scaling is None else None
    longest = None
    allocation = draw(st.sampled_from(ALLOCATIONS))
    claim = allocation.claim(Store(BLOCK, TENSOR, 0))
    state = 0
    if claim.whole:
        tiers, preemption, longest = (), Recompute(), draw(st.sampled_from([256, 400]))
    elif claim.slots:
        tiers, roles, preemption, caching, state = (), (), Recompute(), False, 20
    elif claim.outside:
        tiers, roles, preemption = (), (), Recompute()
    elif claim.block != BLOCK:
        tiers = ()
    return lambda step_by_step: Machine(
        blocks, replicas, timing, scheduler, router(), windows, sights, step_by_step, caching,
        longest, tiers=deepcopy(tiers), restore=restore(), disturbance=disturbance, layers=layers,
        predictor=predictor, admission=admission, runs_ahead=ahead, roles=roles, push=push,
        incidents=incidents, wire=wire, window=window, prefetch=prefetch, eviction=eviction,
        preemption=preemption, scaling=scaling, startup=startup, casting=casting,
        allocation=allocation, state=state,
        requests=requests, follow=follow,
    )  # fmt: skip


PREEMPTIONS = (
    Recompute(), Recompute("priority"), Recompute("cost"), Swap(), Swap("cost"), Swap(space=300),
    Swap(copy=100_000), Migrate(), Migrate("priority"),
)  # fmt: skip
"""A token is a byte: 300 bytes of the host's memory hold one request or none."""
ALLOCATIONS = (
    *[Paged()] * 8, ReserveMax(), ReservePow2(), ReserveOracle(), BlockGroups(3), BlockGroups(8),
    VirtualMemory(), StateSlots(4), StateSlots(9), PerLayer(300), PerLayer(5000),
)  # fmt: skip
CASTINGS = (
    None, Pressure(20, 0.3, 10 * MS, 5 * MS), Pressure(1, 0.1, 20 * MS),
    Splitwise(1, 0.1, 10 * MS), Splitwise(50, 0.5, 10 * MS, 7 * MS),
)  # fmt: skip
SCALINGS = (
    None, None, partial(Queue, 1.0, 20 * MS, 10 * MS, 40 * MS), partial(Queue, 0.1, 3 * MS, 0, 0),
    partial(Utilization, "kv", 0.5, 0.1, 20 * MS, 50 * MS),
    partial(Utilization, "running", 2.0, 0.1, 7 * MS, 10 * MS),
)  # fmt: skip
TIERS = (
    (),
    (Below("dram", 40, 100_000.0),),
    (Below("dram", 200, 3_000.0, latency=MS, placement=WriteThrough(prefill=False)),),
    (Below("dram", 20, 20_000.0, backlog=400), Below("ssd", 300, 2_000.0, latency=100_000)),
    (Below("dram", 60, 50_000.0, placement=Selective(1)), Below("remote", 500, 9_000.0, MS, True)),
    (Below("dram", 200, 8_000.0, placement=WriteThrough(every=2)),),
    (
        Below("dram", 60, 20_000.0, placement=WriteBack(0.2, exclusive=True)),
        Below("ssd", 300, 4_000.0, placement=WriteBack(0.2)),
    ),
    (
        Below("dram", 50, 9_000.0, backlog=300, placement=WriteBack(0.1)),
        Below("remote", 500, 9_000.0, MS, True, placement=WriteThrough(False, every=3)),
    ),
    (Below("remote", 80, 9_000.0, MS, True, placement=WriteBack(0.3, exclusive=True)),),
    (Below("dram", 200, 9_000.0, placement=Predicted()),),
    (Below("dram", 90, 5_000.0, MS // 2, shared=True, parts=3),),
)
"""A token is a byte here: from fast to so slow that transfers take longer than requests."""
