"""When loading KV beats computing it: how long a prefix, from which tier, and beside how many.

The arithmetic is that of the run: `Fabric.estimate` for a load, the step time of one chunk for
computing, and nothing waiting ahead. Under load the two sides move: others on the links slow a
load down, a queue makes computing later still (`ahead` of the restore policies). A chunk in a step
of its own pays alone for reading the weights: beside other work a short one costs less than this.
"""

from bisect import bisect_left
from itertools import pairwise
from typing import Any, NamedTuple

from kvsim.models import Model
from kvsim.scenario.build import Replica, longest_context
from kvsim.scenario.capacity import shape
from kvsim.scenario.room import Room
from kvsim.scenario.schema import Scenario
from kvsim.scenario.ways import Ways
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
    room = Room(Clock(), scenario, kind.layout, kind.hidden_bytes(), "both")
    longest = longest_context(scenario, kind)
    found = []
    spots = [
        [room.place(part.pool.parallel.gpus) for _ in range(part.pool.replicas)] for part in parts
    ]
    for part, (spot, *_) in zip(parts, spots, strict=True):
        whole = shape(scenario, kind, part.pool)
        reaches = room.reaches(spot, part.gpu)
        classes = len(part.timing.classes)
        caching = memory.prefix_caching and whole.reusable
        found.append(
            [
                tier_break_even(room.fabric, reach, part.timing, classes, longest, len(kind.layers))
                for reach in reaches
                if caching
            ]
        )
    return found


def tier_break_even(
    fabric: Fabric, reach: Reach, timing: StepTime, classes: int, longest: int, layers: int = 1
) -> dict[str, Any]:
    """Of one tier: lengths of a prefix for which loading is sooner, from and to, in `load_wins`.

    `loads` is how many loads of that length at once still beat computing it; 0 if none does. Beside
    loading or computing all of it: from both ends, as hidden states, and split (`ways`).
    """
    turn = _Turn(fabric, reach, timing, classes)
    ways = Ways(fabric, reach, timing, classes, layers)
    block = reach.tier.tree.block_tokens
    slowest = min(reach.read, key=lambda link: link.bandwidth)
    lengths = [tokens for tokens in LENGTHS if tokens <= longest]
    return {
        "tier": reach.tier.name,
        "slowest_link": slowest.name,
        "bytes_per_s": min(slowest.bandwidth, reach.read_ceiling),
        "latency_ms": sum(link.latency for link in reach.read) / MS,
        "bytes_per_token": reach.tier.size(block, "kv") / block,
        "hidden_bytes_per_token": reach.tier.size(block, "hidden") / block,
        "load_wins": turn.wins(longest),
        "lengths": [
            {
                "tokens": tokens,
                "load_ms": turn.load(tokens) / MS,
                "compute_ms": turn.compute(tokens) / MS,
                "loads": turn.loads(tokens),
                **ways.told(tokens),
            }
            for tokens in lengths
        ],
    }


class _Turn(NamedTuple):
    """The two sides, for one tier."""

    fabric: Fabric
    reach: Reach
    timing: StepTime
    classes: int

    def load(self, tokens: int, loads: int = 1) -> Ns:
        """To load so many tokens, the last of so many loads at once."""
        size = self.reach.tier.size(tokens, "kv")
        return self.fabric.estimate(size, self.reach.read, self.reach.read_ceiling, loads - 1)

    def compute(self, tokens: int) -> Ns:
        """To compute them in a step of their own."""
        return alone(self.timing, Chunk(tokens, 0), self.classes)

    def wins(self, longest: int) -> list[tuple[int, int | None]]:
        """Where loading is sooner, in whole blocks; None: to the longest."""
        block = self.reach.tier.tree.block_tokens
        most = longest // block
        steps = (int(2 ** (step / FINER)) for step in range(FINER * 64))
        tried = sorted({blocks for blocks in (*steps, most) if 1 <= blocks <= most})
        found: list[tuple[int, int | None]] = []
        since = 1 if tried and self._wins(block) else None
        for low, high in pairwise(tried):
            if self._wins(high * block) == (since is not None):
                continue
            turn = low + 1 + bisect_left(
                range(low + 1, high), True, key=lambda n: self._wins(n * block) == (since is None)
            )  # fmt: skip
            if since is None:
                since = turn
            else:
                found.append((since * block, (turn - 1) * block))
                since = None
        return found if since is None else [*found, (since * block, None)]

    def loads(self, tokens: int) -> int:
        """Loads at once that still beat computing."""
        compute, most = self.compute(tokens), 1
        while self.load(tokens, most) < compute:
            most *= 2
        return bisect_left(range(1, most), True, key=lambda n: self.load(tokens, n) >= compute)

    def _wins(self, tokens: int) -> bool:
        return self.load(tokens) < self.compute(tokens)
