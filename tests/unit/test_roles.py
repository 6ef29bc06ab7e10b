"""Who computes prompts, who decodes, and what happens to requests when that changes?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from machine import Affine, Machine, Outcome

from kvsim.errors import InputError
from kvsim.policies.roles.pressure import Pressure
from kvsim.policies.roles.splitwise import Splitwise
from kvsim.policies.router.least_loaded import LeastLoaded
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.scenario.run import run
from kvsim.sim.policy import Role, Roles, RoleView
from kvsim.sim.recorder import ROLES
from kvsim.units import MS, Ns


@dataclass
class Told(Roles):
    """Changes what it was told to, at the instants in ms that it was told."""

    plan: dict[int, dict[int, Role]]
    period: int = 5 * MS
    switch: int = 0

    def changes(self, replicas: Sequence[RoleView], now: Ns) -> Mapping[int, Role]:
        return self.plan.get(now // MS, {})


def told(plan: dict[int, dict[int, Role]], switch: Ns = 0, **more) -> Machine:
    """Two replicas compute prompts and one decodes, until told otherwise; a step takes 10 ms."""
    return Machine(
        replicas=3, roles=("prefill", "prefill", "decode"), timing=Affine(base=10 * MS),
        router=LeastLoaded(), casting=Told(plan, switch=switch), **more,
    )  # fmt: skip


def casts(outcome: Outcome) -> list[tuple[float, int, str]]:
    rows = outcome.facts.casts
    return [
        (at / MS, replica, ROLES[role])
        for replica, at, role in zip(*(rows[name].tolist() for name in rows), strict=True)
    ]


def test_one_that_is_to_decode_takes_answers_when_it_has_switched() -> None:
    """Told at 15 ms, ready at 35 ms: the prompts of 0 and 20 ms go to 2, those after to 1 too."""
    machine = told({15: {1: "decode"}}, switch=20 * MS)
    for at in ("0 ms", "20 ms", "40 ms", "60 ms"):
        machine.send(16, 20, at)
    outcome = machine.run()
    assert outcome["replica_prefill"] == [0, 0, 0, 0]
    assert outcome["replica_decode"] == [2, 2, 1, 1]
    assert casts(outcome) == [(15, 1, "decode")]


def test_who_changes_finishes_what_it_has() -> None:
    """The decode instance is told to compute prompts at 15 ms; the answer it has ends there."""
    machine = told({5: {1: "decode"}, 15: {2: "prefill"}})
    machine.router = LeastLoaded()
    machine.send(16, 10)  # decodes at 2 or 1
    machine.send(16, 10, "20 ms")
    outcome = machine.run()
    assert outcome.status == ["finished"] * 2
    assert outcome["replica_decode"] == [1, 1]
    assert casts(outcome) == [(5, 1, "decode"), (15, 2, "prefill")]


def test_the_last_one_of_a_kind_stays() -> None:
    machine = told({5: {2: "prefill"}})
    machine.send(16, 10)
    outcome = machine.run()
    assert casts(outcome) == []
    assert outcome["replica_decode"] == [2]


def test_a_mixed_one_decodes_what_it_has_computed() -> None:
    """Nothing crosses the wire for what replica 0 computes from 5 ms on."""
    machine = told({5: {0: "mixed"}})
    machine.send(16, 10, "10 ms")
    outcome = machine.run()
    assert (outcome["replica_prefill"], outcome["replica_decode"]) == ([0], [0])
    assert not len(outcome.facts.handoffs["bytes"])


def test_what_waits_for_room_elsewhere_stays_with_one_that_begins_to_decode() -> None:
    """13 blocks hold one answer of 100 + 20 tokens: the second one waits until its replica may."""
    machine = told({25: {0: "mixed", 1: "mixed"}}, blocks=13)
    machine.send(100, 20)
    machine.send(100, 20)
    outcome = machine.run()
    assert outcome["replica_decode"] == [2, 1]
    # both are computed at 10 ms; the step after 25 ms begins at once, and 19 tokens are left
    assert outcome.ms("finish")[1] == 25 + 19 * 10


def view(replica: int, role: Role, **more: float) -> RoleView:
    home: Role = "prefill" if replica < 2 else "decode"
    return RoleView(replica, home, role, 0, 0, 0, 0.5)._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queued", "kv", "changes"),
    [
        (5000, 0.5, {}),
        (9000, 0.5, {2: "prefill"}),  # 9,000 > 8,192 tokens each
        (9000, 0.9, {}),  # both are short
        (100, 0.9, {0: "decode"}),
    ],
)
def test_pressure_moves_one_to_the_side_that_is_short(
    queued: int, kv: float, changes: dict[int, Role]
) -> None:
    replicas = [
        *(view(one, "prefill", queued_tokens=queued) for one in (0, 1)),
        *(view(one, "decode", kv=kv) for one in (2, 3)),
    ]
    assert Pressure().changes(replicas, 0) == changes


def test_splitwise_borrows_and_gives_back() -> None:
    busy = [view(0, "prefill", queued_tokens=9000), view(1, "prefill", queued_tokens=8500)]
    decode = [view(2, "decode", kv=0.6), view(3, "decode", kv=0.4)]
    assert Splitwise().changes(busy + decode, 0) == {3: "mixed"}
    full = [view(2, "decode", kv=0.97), view(3, "decode", kv=0.96)]
    assert Splitwise().changes([view(0, "prefill"), view(1, "prefill"), *full], 0) == {0: "mixed"}
    lent = view(3, "mixed", answers=5, prompts=1)
    assert Splitwise().changes([view(0, "prefill"), view(2, "decode"), lent], 0) == {}
    free = lent._replace(prompts=0)
    assert Splitwise().changes([view(0, "prefill"), view(2, "decode"), free], 0) == {3: "decode"}


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("multiturn", ("policies.roles=pressure",), "no pool has role prefill or decode"),
        (
            "disaggregated",
            ("policies.roles=pressure", "cluster.pools.0.autoscale={max: 2}"),
            "pools with autoscale cannot change roles",
        ),
    ],
)
def test_what_cannot_be_is_said(name: str, changes: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        build(load(name, changes))


def test_a_burst_of_prompts_is_met_by_those_that_decode() -> None:
    """One prefill instance of four cannot keep up with 25 requests a second; two or three can."""
    crowd = (
        "cluster.pools.1.replicas=3", "workload.open_loop.requests=800",
        "workload.open_loop.rate=25/s",
    )  # fmt: skip
    fixed, switching = (
        run(load("disaggregated", (*crowd, f"policies.roles={one}"))).summary["ttft_s"]["mean"]
        for one in ("fixed", "pressure")
    )
    assert switching < fixed / 5
