"""Where a pool's weights and KV live: what its policy may know, and what it says."""

from kvsim.calibration.engine import EngineProfile
from kvsim.errors import InputError
from kvsim.hardware import GPU, host
from kvsim.models import Model
from kvsim.scenario.choices import answer
from kvsim.scenario.schema import WIDTHS, Pool, Scenario
from kvsim.sim.policy import Residence, Site


def site(
    scenario: Scenario, pool: Pool, model: Model, gpu: GPU, engine: EngineProfile, tokens: int
) -> Site:
    """A replica of `pool` whose largest step computes `tokens` tokens."""
    node, memory, gpus = scenario.cluster.node, scenario.cluster.memory, pool.parallel.gpus
    server, part = host(node.host), pool.parallel.gpus / node.gpus
    reported = gpu.visible or gpu.memory
    left = int(reported * (memory.utilization or engine.utilization))
    left -= engine.activation_bytes(model, tokens, pool.parallel.tensor)
    left -= engine.context_bytes + engine.graph_bytes
    return Site(
        layers=len(model.layers),
        hidden=model.hidden,
        query_heads=max(layer.query_heads for layer in model.layers),
        weights=model.weights_bytes(WIDTHS[scenario.precision.weights]),
        token=max(1, model.layout.bytes_per_token(WIDTHS[scenario.precision.kv])),
        room=left * gpus,
        hbm=gpu.bandwidth * gpus,
        dram=server.bandwidth * part,
        dram_bytes=int(server.memory * part),
        cores=max(1, int(server.cores * part)),
        pcie=gpu.host.payload * gpus / node.gpus_per_uplink,
        pcie_latency=gpu.host.latency,
    )


def residence(scenario: Scenario, place: Site) -> Residence | None:
    """What the scenario's policy says of a replica at `place`."""
    found: Residence | None = answer("residency", scenario.policies.residency).residence(place)
    if found is None:
        return None
    if not 0 <= found.weights <= 1:
        raise InputError(
            f"policies.residency: {found.weights:g} of the weights in HBM is not a share; write 0 "
            "to 1."
        )
    if found.worker is not None and answer("attention", scenario.policies.attention).kernel():
        raise InputError(
            "policies.attention: kernels that share prefixes need all KV in HBM; leave "
            "policies.residency at hbm, or attention at plain."
        )
    return found
