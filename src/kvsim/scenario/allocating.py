"""What KV space is claimed as, in each pool: what its policy may know, and what it says."""

from kvsim.models import Model
from kvsim.models.layout import GROWING, ceil_div
from kvsim.scenario.choices import answer
from kvsim.scenario.schema import WIDTHS, Pool, Scenario
from kvsim.sim.policy import Allocation, Claim, Store


def allocation(scenario: Scenario) -> Allocation:
    """A fresh answer to the scenario's question."""
    made: Allocation = answer("allocation", scenario.policies.allocation, oracles=True)
    return made


def claimed(scenario: Scenario, model: Model, pool: Pool) -> Claim:
    """What the memory of a replica of `pool` is handed out in."""
    bits, tensor = WIDTHS[scenario.precision.kv], pool.parallel.tensor
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
    )
    return allocation(scenario).claim(store)
