"""Do pools grow and shrink as they are told, lose nobody, and cost what they should?"""

from dataclasses import dataclass

import pytest
from machine import Affine, Machine, Outcome

from kvsim.errors import InputError
from kvsim.policies.router.least_loaded import LeastLoaded
from kvsim.policies.scaling.queue import Queue
from kvsim.policies.scaling.utilization import Utilization
from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.scenario.fleet import ENGINE_START, startup
from kvsim.scenario.run import run
from kvsim.sim.metrics import powered
from kvsim.sim.policy import FleetView, Scaling
from kvsim.sim.recorder import DRAINING, OFF, STARTING, UP
from kvsim.units import MS, SECOND, Ns


@dataclass
class Told(Scaling):
    """Wants what it was told, look by look; then what it wanted last."""

    wanted: tuple[int, ...]
    period: int = 20 * MS
    asked: int = 0

    def replicas(self, view: FleetView, now: Ns) -> int:
        self.asked += 1
        return self.wanted[min(self.asked, len(self.wanted)) - 1]


def told(*wanted: int, **more) -> Machine:
    """Steps take 10 ms, one request runs at a time, a replica starts in 25 ms."""
    return Machine(
        replicas=2, timing=Affine(base=10 * MS), scheduler=ChunkedPrefill(8192, 1),
        router=LeastLoaded(), scaling=lambda: Told(wanted), startup=25 * MS, **more,
    )  # fmt: skip


def changes(outcome: Outcome, replica: int) -> list[tuple[float, int]]:
    rows = outcome.facts.fleet
    return [
        (at / MS, state)
        for index, at, state in zip(*(rows[name].tolist() for name in rows), strict=True)
        if index == replica
    ]


def test_a_replica_takes_requests_when_it_has_started() -> None:
    """Asked for at 20 ms, up at 45 ms: who comes at 40 ms queues, who comes at 50 ms does not."""
    machine = told(2)
    for at in ("0 ms", "40 ms", "50 ms"):
        machine.send(10, 10, at)
    outcome = machine.run()
    assert outcome["replica_decode"] == [0, 0, 1]
    assert outcome.ms("first_token") == [10.0, 110.0, 60.0]
    assert changes(outcome, 1) == [(0, OFF), (20, STARTING), (45, UP)]


def test_one_that_drains_takes_nothing_new_and_finishes_what_it_has() -> None:
    """At 60 ms both have a request; the second one is told to go, ends at 150 ms, and is off."""
    machine = told(2, 2, 1)
    for at in ("0 ms", "50 ms", "70 ms"):
        machine.send(10, 10, at)
    outcome = machine.run()
    assert outcome["replica_decode"] == [0, 1, 0]
    assert outcome.ms("finish") == [100.0, 150.0, 200.0]
    assert changes(outcome, 1) == [(0, OFF), (20, STARTING), (45, UP), (60, DRAINING), (150, OFF)]
    assert outcome.simulation.cluster.engines[1].memory.tree.bytes == 0
    assert powered(outcome.facts, 2, 0, 200 * MS) == [1.0, 130 / 200]


def test_one_that_has_not_started_is_called_off() -> None:
    machine = told(2, 1)
    machine.send(10, 10)
    outcome = machine.run()
    assert changes(outcome, 1) == [(0, OFF), (20, STARTING), (40, OFF)]


def test_the_last_one_stays() -> None:
    machine = told(0)
    machine.send(10, 10)
    assert changes(machine.run(), 0) == [(0, UP)]


def test_a_request_whose_tool_answers_after_its_replica_has_gone_goes_on_elsewhere() -> None:
    from kvsim.traces.request import Pause

    machine = told(2, 2, 1)
    machine.send(10, 30)
    machine.send(10, 4, "50 ms", pauses=(Pause(2, 100 * MS, 5),))
    outcome = machine.run()
    assert outcome.status == ["finished"] * 2
    assert changes(outcome, 1)[-1] == (70, OFF)
    assert outcome["replica_decode"] == [0, 0]


VIEW = FleetView(up=4, starting=0, waiting=0, running=40, kv=0.9, arrived=0, passed=SECOND)


@pytest.mark.parametrize(
    ("kv", "wanted"),
    [
        (0.9, 6),  # 4 x 0.9 / 0.7 = 5.14
        (0.76, 4),  # 0.76 / 0.7 = 1.086, within 0.1 of 1
        (0.78, 5),  # 4 x 1.114
        (0.64, 4),
        (0.2, 2),  # 1.14
    ],
)
def test_use_scales_by_the_formula_of_kubernetes(kv: float, wanted: int) -> None:
    policy = Utilization(stabilization=0)
    assert policy.replicas(VIEW._replace(kv=kv), 0) == wanted


def test_use_counts_those_that_start_as_idle() -> None:
    """0.9 of 4 is 0.72 of 5: enough are coming. Nobody goes meanwhile either."""
    assert Utilization().replicas(VIEW._replace(starting=1), 0) == 5
    assert Utilization(stabilization=0).replicas(VIEW._replace(starting=1, kv=0.1), 0) == 5


def test_replicas_go_when_none_was_wanted_for_a_while() -> None:
    policy = Utilization("running", target=10, stabilization=60 * SECOND)
    wanted = [
        policy.replicas(VIEW._replace(running=running), at * SECOND)
        for at, running in ((0, 40), (15, 20), (30, 30), (45, 20), (60, 20), (75, 20), (90, 20))
    ]
    # the 4 of 0 s counts until before 60 s, the 3 of 30 s until before 90 s
    assert wanted == [4, 4, 4, 4, 3, 3, 2]


def test_a_queue_is_answered_once_and_forgotten_slowly() -> None:
    policy = Queue(target=5, down_cooldown=60 * SECOND)
    looks = (
        (0, 4, 0, 24, 5),  # 24 / 5 = 4.8
        (15, 4, 1, 24, 5),  # 5 x 5 may wait
        (30, 4, 1, 26, 6),
        (45, 6, 0, 0, 6),
        (75, 6, 0, 0, 6),  # somebody waited, and one was added, 45 s ago
        (90, 6, 0, 0, 5),
        (105, 5, 0, 0, 5),
    )
    for at, up, starting, waiting, wanted in looks:
        view = VIEW._replace(up=up, starting=starting, waiting=waiting)
        assert policy.replicas(view, at * SECOND) == wanted, at


def test_starting_reads_the_weights_and_starts_the_engine() -> None:
    machine = build(load("autoscaling"))
    part = machine.pools[0]
    weights = part.capacity.weights * 4
    assert 140e9 < weights < 143e9  # 70.6 billion parameters of two bytes
    assert startup(part.pool, part) == int(weights / (4 * 6.8e9) * SECOND) + ENGINE_START
    given = part.pool.model_copy(
        update={"autoscale": part.pool.autoscale.model_copy(update={"startup": 7 * SECOND})}  # type: ignore[union-attr]
    )
    assert startup(given, part) == 7 * SECOND


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("cluster.pools.0.replicas=5",), "cluster.pools.0.replicas: found 5; .* 1 at least and 4"),
        (("cluster.pools.0.autoscale=",), "policies.scaling: no pool may change its size"),
        (("policies.scaling={queue: {period: 0}}",), "period is 0; it must be above 0"),
        (("policies.scaling={queue: {target: 0}}",), "target is 0.0; it must be above 0"),
        (("events=[{at: 1 s, replica: 0, fail: true}]",), "events: replicas of a cluster that"),
    ],
)
def test_what_cannot_be_is_said(changes: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        build(load("autoscaling", changes))


def test_only_time_in_which_a_replica_starts_runs_or_drains_is_paid_for() -> None:
    short = ("workload.open_loop.duration=60 s",)
    one, four, scaled = (
        run(load("autoscaling", (*short, *more))).summary
        for more in (
            ("policies.scaling=fixed",),
            ("policies.scaling=fixed", "cluster.pools.0.replicas=4"),
            (),
        )
    )
    assert scaled["cost"]["gpu_hours"] == pytest.approx(4 * scaled["duration_s"] / 3600)
    assert scaled["cost"] == one["cost"]  # two a second need no second replica
    assert four["cost"]["gpu_hours"] == pytest.approx(16 * four["duration_s"] / 3600)
