"""Where KV memory went: what held token states, and what was claimed for nothing.

The parts are those of Kwon et al., PagedAttention, SOSP 2023, figure 2, over time: token states;
room that its request will use later (reserved); room that it never will (internal fragmentation);
and what nobody has claimed, for want of requests or of a piece that is large enough (external
fragmentation and others). What is kept for later requests is a part of its own.

A request holds a lease from its admission to its leaving. Its tokens count from the beginning of
the step that computes them; what it "will use" is what it holds when it leaves.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvsim.sim.claiming import Pieces, Slots
from kvsim.sim.memory import KVMemory
from kvsim.sim.metrics import Facts
from kvsim.sim.recorder import NEVER, NOBODY
from kvsim.sim.timing import FRACTION
from kvsim.units import Ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

PARTS = ("states", "cached", "reserved", "internal", "unclaimed")
"""Of a memory and a time; they add up to all of it."""
ALWAYS = 1 << 62
"""Tokens that no layer forgets anything before."""


class Layers(NamedTuple):
    """Layers of a model that keep KV alike."""

    token_bytes: float
    kept: int
    """Tokens after which they take no more."""


class Grain(NamedTuple):
    """How the memory of one replica is claimed."""

    capacity: int
    """Bytes."""
    unit: int
    """Tokens that are claimed at a time."""
    layers: tuple[Layers, ...]
    """Those that see everything first: prefixes are shared in these only."""
    state_bytes: int

    @classmethod
    def of(cls, memory: KVMemory, capacity: int) -> "Grain":
        """Of `memory`, with what is set aside of its `capacity`."""
        if isinstance(memory.claims, Pieces):
            return cls(capacity, 1, (Layers(memory.claims.token_bytes, ALWAYS),), 0)
        unit, state = memory.unit_tokens, memory.state_bytes
        if isinstance(memory.claims, Slots):
            state = memory.claims.state_bytes
        seeing = [Layers(one.block_bytes / unit, one.kept) for one in memory.windows]
        everything = Layers(memory.unit_bytes / unit, ALWAYS)
        return cls(capacity, unit, (everything, *seeing), state)


class Lease(NamedTuple):
    """What one request held of one replica, from each of some instants on."""

    at: "Ints"
    """One more than of the others: the last is when it left."""
    stored: "Ints"
    """Tokens."""
    room: "Ints"
    """Tokens that it had claimed room for."""
    published: "Ints"
    """Tokens of it that were shared or could be: the memory's, not its own."""
    final: int
    """Tokens that it would ever store."""


def waste(facts: Facts, grains: Sequence[Grain], start: Ns, end: Ns) -> dict[str, float] | None:
    """Share of each of PARTS in the memory of all replicas from `start` to `end`; None: no time."""
    whole = sum(grain.capacity for grain in grains) * (end - start)
    if not whole:
        return None
    total = dict.fromkeys(PARTS, 0.0)
    for replica, grain in enumerate(grains):
        mine = facts.claims["replica"] == replica
        rows = {name: column[mine] for name, column in facts.claims.items()}
        lasting = _lasting(np.append(rows["at"], end), start, end)
        total["states"] += float(rows["read"] @ lasting)
        total["cached"] += float((rows["held"] - rows["read"]) @ lasting)
        for lease in leases(facts, replica, rows, end):
            _add(total, grain, lease, _lasting(lease.at, start, end))
    shares = {part: size / whole for part, size in total.items()}
    shares["unclaimed"] = 1 - sum(shares.values())
    return shares


def leases(facts: Facts, replica: int, rows: "dict[str, Ints]", end: Ns) -> Iterator[Lease]:
    """Every lease of `replica`, of whose claims `rows` tell; the last ones end with the run."""
    starts, stays = _decode_steps(facts, replica), _stays(facts, replica)
    gone = rows["at"][rows["request"] == NOBODY]
    texts = dict(zip(facts.requests["id"].tolist(), _lengths(facts).tolist(), strict=True))
    order = np.argsort(rows["request"], kind="stable")
    order = order[np.searchsorted(rows["request"][order], NOBODY, side="right") :]
    request, room = rows["request"][order], rows["room"][order]
    epoch = np.searchsorted(gone, rows["at"][order], side="right")
    parted = (request[1:] != request[:-1]) | (room[:-1] == NEVER) | (epoch[1:] != epoch[:-1])
    first = np.append(True, parted)[: len(order)]
    for piece in np.split(order, np.flatnonzero(first)[1:]) if len(order) else ():
        held = piece[:-1] if rows["room"][piece[-1]] == NEVER else piece
        if not len(held):
            continue
        who, begun = int(rows["request"][piece[0]]), int(rows["at"][piece[0]])
        is_over = len(held) < len(piece)
        failed = gone[np.searchsorted(gone, begun, side="right") :]
        last = int(rows["at"][piece[-1]]) if is_over else int(failed[0]) if len(failed) else end
        stored = _stored(rows, held, starts, stays.get(who, ()), last)
        final = 0 if is_over or len(failed) else texts.get(who, 0)
        yield _lease(rows, held, stored, last, final)


def _lease(
    rows: "dict[str, Ints]", held: "Ints", decoded: "tuple[Ints, Ints]", last: Ns, final: int
) -> Lease:
    """Of a request whose claims are rows `held`, and which decoded tokens at some instants.

    Nothing of what it holds gets less before it leaves.
    """
    at = np.concatenate((rows["at"][held], decoded[0]))
    order, none = np.argsort(at, kind="stable"), np.zeros_like(decoded[1])

    def grown(name: str, decoded: "Ints") -> "Ints":
        found: Ints = np.maximum.accumulate(np.concatenate((rows[name][held], decoded))[order])
        return found

    stored = grown("stored", decoded[1])
    room = np.maximum(grown("room", none), stored)
    return Lease(
        np.append(at[order], last), stored, room, grown("published", none),
        max(final, int(stored[-1])),
    )  # fmt: skip


def _add(total: dict[str, float], grain: Grain, lease: Lease, lasting: "Ints") -> None:
    """Book what a lease held, and for how long."""
    total["states"] -= float(lease.published @ lasting) * grain.layers[0].token_bytes
    total["states"] += float(lasting.sum()) * grain.state_bytes
    for size, kept in grain.layers:
        stored = np.minimum(lease.stored, kept)
        claimed = -(np.minimum(lease.room, kept) // -grain.unit) * grain.unit
        used = np.minimum(claimed, min(lease.final, kept))
        total["states"] += float(stored @ lasting) * size
        total["reserved"] += float((used - stored) @ lasting) * size
        total["internal"] += float((claimed - used) @ lasting) * size


def _lasting(at: "Ints", start: Ns, end: Ns) -> "Ints":
    """How long each instant's state lasts, to the next one, within [start, end]."""
    inside: Ints = np.clip(at, start, end)
    return inside[1:] - inside[:-1]


def _decode_steps(facts: Facts, replica: int) -> "Ints":
    """When each step of `replica` began in which somebody decoded."""
    spans = facts.spans
    mine = (spans["replica"] == replica) & (spans["decodes"] > 0)
    steps = spans["steps"][mine]
    index = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    start, first, growth = (np.repeat(spans[name][mine], steps)
                            for name in ("start", "first", "growth"))  # fmt: skip
    begun: Ints = start + ((index * first + index * (index - 1) // 2 * growth) >> FRACTION)
    return begun


def _stays(facts: Facts, replica: int) -> dict[int, list[tuple[int, int]]]:
    """By request: decode steps of `replica` that it took part in, from and to."""
    stays, found = facts.stays, dict[int, list[tuple[int, int]]]()
    mine = stays["replica"] == replica
    columns = (stays[name][mine].tolist() for name in ("request", "first", "last"))
    for request, first, last in zip(*columns, strict=True):
        if last > first:
            found.setdefault(request, []).append((first, last))
    return found


def _stored(
    rows: "dict[str, Ints]", held: "Ints", starts: "Ints", stays: Sequence[tuple[int, int]],
    last: Ns,
) -> "tuple[Ints, Ints]":  # fmt: skip
    """Instants at which a request began to store one more token, decoding, and how many then."""
    at, stored = rows["at"][held], rows["stored"][held]
    instants, counts, before = [], [], 0
    for first, until in stays:
        if not at[0] <= starts[first] < last:
            continue
        before = max(before, int(stored[: np.searchsorted(at, starts[first], side="right")].max()))
        instants.append(starts[first:until])
        counts.append(before + np.arange(1, until - first + 1))
        before += until - first
    nothing = np.zeros(0, dtype=np.int64)
    return np.concatenate((nothing, *instants)), np.concatenate((nothing, *counts))


def _lengths(facts: Facts) -> "Ints":
    """Tokens that each request stores in the end: its last one is never read."""
    found: Ints = facts.requests["prompt_tokens"] + facts.requests["output_tokens"] - 1
    return found
