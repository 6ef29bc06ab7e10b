"""What KV space is claimed as, in each pool: what its policy may know, and what it says."""

from typing import TYPE_CHECKING

from kvsim.errors import InputError
from kvsim.hardware import host
from kvsim.models import Model
from kvsim.models.layout import GROWING, ceil_div
from kvsim.scenario.choices import answer, name_of
from kvsim.scenario.schema import WIDTHS, Pool, Scenario, Tiers
from kvsim.sim.buddy import Buddy
from kvsim.sim.policy import Allocation, Claim, Store

if TYPE_CHECKING:
    from kvsim.scenario.build import Replica


def allocation(scenario: Scenario) -> Allocation:
    """A fresh answer to the scenario's question."""
    made: Allocation = answer("allocation", scenario.policies.allocation, oracles=True)
    return made


def claimed(scenario: Scenario, model: Model, pool: Pool) -> Claim:
    """What the memory of a replica of `pool` is handed out in."""
    bits, tensor = WIDTHS[scenario.precision.kv], pool.parallel.tensor
    node = scenario.cluster.node
    widest = max(
        (
            ceil_div(layer.kv_heads, tensor) * max(layer.key_width, layer.value_width)
            for layer in model.layers
            if layer.kind in GROWING
        ),
        default=0,
    )
    store = Store(
        block=scenario.cluster.memory.block_tokens,
        tensor=widest * bits // 8,
        state=model.layout.state_bytes(bits),
        host=int(host(node.host).memory * pool.parallel.gpus / node.gpus),
    )
    made = allocation(scenario)
    for field in ("blocks", "slots", "page", "capacity"):
        found = getattr(made, field, None)
        if found is not None and found < 1:
            raise InputError(f"policies.allocation: {field} is {found}; write 1 at least.")
    return made.claim(store)


def agree(scenario: Scenario, model: Model, parts: "tuple[Replica, ...]", longest: int) -> None:
    """Raise InputError for what an allocation cannot be together with."""
    claims = {claimed(scenario, model, part.pool) for part in parts}
    claim = next(iter(claims))
    if len(claims) > 1:
        tokens = " and ".join(str(each.block) for each in sorted(claims))
        raise InputError(
            f"policies.allocation: pages of {name_of(scenario.policies.allocation)} hold {tokens} "
            "tokens in pools of different cluster.pools.*.parallel.tensor; give all the same, or "
            "choose paged."
        )
    if claim.whole:
        _alone(scenario, "claims all that a request may need at once")
        _no_states(scenario, model)
        for part in parts:
            _fit(scenario, part, longest)
    if claim.outside:
        _alone(scenario, "keeps layers of requests in the host's memory")
        if any(part.pool.role != "unified" for part in parts):
            raise InputError(
                f"policies.allocation: under {name_of(scenario.policies.allocation)} prompts wait "
                "for room where they have been computed; give cluster.pools the role unified, or "
                "choose paged."
            )
    if claim.slots:
        _slots(scenario, model, parts, claim.slots)
    if claim.block != scenario.cluster.memory.block_tokens and scenario.cluster.tiers != Tiers():
        raise InputError(
            f"policies.allocation: a page of {name_of(scenario.policies.allocation)} holds "
            f"{claim.block} tokens, and cluster.tiers keep blocks of "
            f"{scenario.cluster.memory.block_tokens}; leave them out, or choose paged."
        )


def _alone(scenario: Scenario, why: str) -> None:
    """KV of requests is neither shared nor anywhere but where their allocation says."""
    policies = scenario.policies
    name = f"policies.allocation: {name_of(policies.allocation)}"
    fate = answer("preemption", policies.preemption).fate
    if fate != "recompute":
        raise InputError(
            f"{name} {why}, so nobody who runs out is moved elsewhere; policies.preemption {fate} "
            "goes with paged, recompute with both."
        )
    if scenario.cluster.tiers != Tiers():
        raise InputError(
            f"{name} {why}, so nothing is kept for others and cluster.tiers would stay empty; "
            "leave them out, or choose paged."
        )
    if policies.residency not in ("hbm", {"hbm": None}, {"hbm": {}}):
        raise InputError(
            f"{name} {why}, and policies.residency divides KV too; choose hbm, or paged."
        )


def _no_states(scenario: Scenario, model: Model) -> None:
    """A piece is claimed to grow in."""
    if model.layout.state_bytes(16):
        raise InputError(
            f"policies.allocation: {name_of(scenario.policies.allocation)} reserves room to grow, "
            f"and {model.name} has recurrent layers, whose state does not; choose state_slots, or "
            "paged."
        )


def _slots(
    scenario: Scenario, model: Model, parts: "tuple[Replica, ...]", slots: int
) -> None:  # fmt: skip
    """There is a state to keep in them, and room for all."""
    state = model.layout.state_bytes(WIDTHS[scenario.precision.kv])
    name = f"policies.allocation: {name_of(scenario.policies.allocation)}"
    if not state:
        raise InputError(
            f"{name} is for the state of recurrent layers, and {model.name} has none; choose paged."
        )
    if answer("preemption", scenario.policies.preemption).fate == "swap":
        raise InputError(f"{name} does not say where a state goes that is swapped; use recompute.")
    least = min(part.capacity.bytes for part in parts)
    if slots * state > least:
        raise InputError(
            f"{name} sets {slots} slots of {state} bytes aside, {slots * state} in all; a replica "
            f"has {least}. Ask for {least // state} at most."
        )


def _fit(scenario: Scenario, part: "Replica", longest: int) -> None:
    """The shortest request finds a piece in an empty memory."""
    room, name = part.capacity, name_of(scenario.policies.allocation)
    largest = Buddy(room.bytes // room.block_bytes * room.block_tokens).largest
    least = allocation(scenario).reserve(1, longest, 1)
    if least > largest:
        raise InputError(
            f"policies.allocation: {name} reserves {least} tokens for each request; a "
            f"replica has room for {room.tokens}, and for one piece of {largest}. Lower "
            "cluster.memory.max_model_len."
        )
