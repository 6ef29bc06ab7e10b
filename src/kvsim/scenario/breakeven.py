"""When loading KV beats computing it: how long a prefix, from which tier, and beside how many.

The arithmetic is that of the run: `Fabric.estimate` for a load, the step time of one chunk for
computing, and nothing waiting ahead. Under load the two sides move: others on the links slow a
load down, a queue makes computing later still (`ahead` of the restore policies). A chunk in a step
of its own pays alone for reading the weights: beside other work a short one costs less than this.
"""

from itertools import pairwise
from typing import Any

from kvsim.calibration.steps import OperatorTimes
from kvsim.models import Model
from kvsim.scenario.build import Replica, longest_context
from kvsim.scenario.capacity import shape
from kvsim.scenario.room import Room
from kvsim.scenario.schema import WIDTHS, Scenario
from kvsim.sim.clock import Clock
from kvsim.sim.fabric import Fabric
from kvsim.sim.tier import Reach
from kvsim.sim.timing import Chunk, StepTime, alone
from kvsim.units import MS, Ns

LENGTHS = (1024, 8192, 32768)
"""Tokens of the prefixes that are shown."""
FINER = 2
"""Lengths that are tried between one and its double, before a turn is looked for in between."""


def break_even(scenario: Scenario, kind: Model, parts: list[Replica]) -> list[list[dict[str, Any]]]:
    """Per pool, per tier that its first replica reaches: where loading wins; times by length."""
    memory = scenario.cluster.memory
    bits = WIDTHS[scenario.precision.kv]
    room = Room(Clock(), scenario, kind.layout.bytes_per_token(bits) * memory.block_tokens)
    longest = longest_context(scenario, kind)
    found = []
    for part in parts:
        spots = [room.place(part.pool.parallel.gpus) for _ in range(part.pool.replicas)]
        whole = shape(kind, part.pool, bits, memory.block_tokens)
        reaches = room.reaches(spots[0], part.gpu)
        caching = memory.prefix_caching and whole.reusable
        found.append(
            [_tier(room.fabric, reach, part.timing, longest) for reach in reaches if caching]
        )
    return found


def _tier(fabric: Fabric, reach: Reach, timing: StepTime, longest: int) -> dict[str, Any]:
    slowest = min(reach.read, key=lambda link: link.bandwidth)
    lengths = [tokens for tokens in LENGTHS if tokens <= longest]
    return {
        "tier": reach.tier.name,
        "slowest_link": slowest.name,
        "bytes_per_s": min(slowest.bandwidth, reach.read_ceiling),
        "latency_ms": sum(link.latency for link in reach.read) / MS,
        "bytes_per_token": reach.tier.tree.block_bytes / reach.tier.tree.block_tokens,
        "load_wins": _wins(fabric, reach, timing, longest),
        "lengths": [
            {
                "tokens": tokens,
                "load_ms": _load(fabric, reach, tokens) / MS,
                "compute_ms": _compute(timing, tokens) / MS,
                "loads": _loads(fabric, reach, timing, tokens),
            }
            for tokens in lengths
        ],
    }


def _wins(
    fabric: Fabric, reach: Reach, timing: StepTime, longest: int
) -> list[tuple[int, int | None]]:
    """Lengths of a prefix, from and to, for which loading is sooner; None: to the longest."""
    block = reach.tier.tree.block_tokens
    most = longest // block

    def wins(blocks: int) -> bool:
        return _load(fabric, reach, blocks * block) < _compute(timing, blocks * block)

    tried = sorted({1, most, *(int(2 ** (step / FINER)) for step in range(FINER * 64))})
    tried = [blocks for blocks in tried if 1 <= blocks <= most]
    found: list[tuple[int, int | None]] = []
    since = 1 if tried and wins(1) else None
    for low, high in pairwise(tried):
        if wins(high) == (since is not None):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if wins(middle) == (since is not None):
                low = middle
            else:
                high = middle
        if since is None:
            since = high
        else:
            found.append((since * block, low * block))
            since = None
    return found if since is None else [*found, (since * block, None)]


def _loads(fabric: Fabric, reach: Reach, timing: StepTime, tokens: int) -> int:
    """Loads of this length at once, the last of which still beats computing; 0 if none does."""
    compute, most = _compute(timing, tokens), 1
    while _load(fabric, reach, tokens, most) < compute:
        most *= 2
    low = most // 2
    while most - low > 1:
        middle = (low + most) // 2
        if _load(fabric, reach, tokens, middle) < compute:
            low = middle
        else:
            most = middle
    return low


def _load(fabric: Fabric, reach: Reach, tokens: int, loads: int = 1) -> Ns:
    size = reach.tier.bytes(tokens)
    return fabric.estimate(size, reach.read, reach.read_ceiling, loads - 1)


def _compute(timing: StepTime, tokens: int) -> Ns:
    assert isinstance(timing, OperatorTimes)
    return alone(timing, Chunk(tokens, 0), len(timing.classes))
