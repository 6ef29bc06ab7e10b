"""Why a scenario is as fast as it is: where its memory goes, and what its steps are made of."""

from typing import Any

from kvsim.calibration import calibrated, engine
from kvsim.calibration.residuals import residuals
from kvsim.models import model
from kvsim.scenario.breakeven import break_even
from kvsim.scenario.build import Replica, replica, step_tokens
from kvsim.scenario.schema import Scenario
from kvsim.sim.timing import Chunk, StepTime, Work

DECODES = ((1, 1024), (16, 1024), (64, 4096), (256, 1024))
"""(batch, context) of the decode steps that are shown."""
PROMPTS = ((1024, 0), (8192, 0), (8192, 24576))
"""(tokens, history) of the prefill steps that are shown; never more than a step may compute."""


def explain(scenario: Scenario) -> dict[str, Any]:
    """Memory and step times of each pool's replica, without running anything."""
    kind, profile = model(scenario.model), engine(scenario.engine)
    budget = step_tokens(scenario, kind)
    pools = []
    parts = [replica(scenario, pool, kind, profile, budget) for pool in scenario.cluster.pools]
    for part, tiers in zip(parts, break_even(scenario, kind, parts), strict=True):
        pool = part.pool
        pools.append(
            {
                "gpu": part.gpu.name,
                "tensor": pool.parallel.tensor,
                "pipeline": pool.parallel.pipeline,
                "replicas": pool.replicas,
                "memory": _memory(part),
                "step_times": _steps(part, budget),
                "break_even": tiers,
                "calibration": _calibration(part.gpu.name),
            }
        )
    return {
        "name": scenario.name,
        "model": kind.name,
        "kv_bytes_per_token": kind.layout.bytes_per_token(),
        "engine": {name: value for name, value in vars(profile).items() if name != "graph_sizes"},
        "pools": pools,
    }


def _memory(part: Replica) -> dict[str, Any]:
    """Bytes of one GPU, and the KV of the replica."""
    room = part.capacity
    return {
        "reported_bytes": room.reported,
        "unused_bytes": room.reported - room.usable,
        "weights_bytes": room.weights,
        "activations_bytes": room.activations,
        "context_bytes": room.context,
        "graphs_bytes": room.graphs,
        "kv_bytes": (room.bytes - room.elsewhere) // room.gpus,
        "kv_elsewhere_bytes": room.elsewhere // room.gpus,
        "kv_blocks": room.bytes // room.block_bytes if room.block_bytes else None,
        "kv_tokens": room.tokens,
        "blocks_given": room.blocks is not None,
    }


def _steps(part: Replica, budget: int) -> list[dict[str, Any]]:
    """Durations of typical steps in ms, and their parts."""
    timing = part.timing
    classes = len(timing.classes)
    found = []
    for batch, context in DECODES:
        sight = tuple(
            batch * min(context, one.window) if one.window else batch * context
            for one in timing.classes
        )
        work = Work(batch, sight, (batch,) * classes, (), batch)
        found.append(_step(timing, f"decode {batch} x {context:,}", work))
    for tokens, history in PROMPTS:
        taken = min(tokens, budget)
        work = Work(0, (0,) * classes, (0,) * classes, (Chunk(taken, history),), 1)
        after = f" after {history:,}" if history else ""
        found.append(_step(timing, f"prefill {taken:,}{after}", work))
    return found


def _step(timing: StepTime, name: str, work: Work) -> dict[str, Any]:
    parts = {part: ns / 1e6 for part, ns in timing.parts(work).items()}
    pace = timing.pace(work)
    flops, moved = timing.flops(work)[0], timing.bytes_moved(work)[0]
    ns = pace.first / (1 << 20)
    return {
        "step": name,
        "ms": ns / 1e6,
        "parts_ms": parts,
        "mfu": flops / ns * 1e9 / timing.peak_flops,
        "mbu": moved / ns * 1e9 / timing.bandwidth,
        "extrapolated": pace.extrapolated,
    }


def _calibration(gpu: str) -> list[dict[str, Any]] | None:
    if not calibrated(gpu):
        return None
    return [residual._asdict() for residual in residuals(gpu)]
