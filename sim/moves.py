"""What moved between tiers and when: bytes and busy time of links, bytes by reason, rewriting."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.sim.labels import Labels, distinct
from kvsim.sim.metrics import Facts
from kvsim.sim.recorder import NEVER, WHY
from kvsim.units import Ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

LOADED, REFUSED = ("load",), ("backlog", "room")
STORED = ("prefill", "every", "end", "leaving", "ahead")


def by_link(facts: Facts) -> "Iterator[tuple[str, dict[str, Ints]]]":
    """Name of each link and its transfers, those under way at the end of the run included."""
    sent = ~_why(facts, REFUSED)
    for name in sorted({link for path in facts.paths for link in path}):
        paths = [index for index, path in enumerate(facts.paths) if name in path]
        own = sent & np.isin(facts.transfers["path"], paths)
        yield name, {column: values[own] for column, values in facts.transfers.items()}


def flowing(transfers: "dict[str, Ints]", end: Ns) -> "tuple[Ints, Ints]":
    """Times in which at least one of `transfers` flows, up to `end`: starts and stops, in order."""
    landed = np.where(transfers["landed"] == NEVER, end, transfers["landed"])
    start, stop = np.minimum(transfers["began"], end), np.minimum(landed, end)
    order = np.argsort(start, kind="stable")
    start, stop = start[order], np.maximum.accumulate(stop[order])
    first = np.flatnonzero(np.append(True, start[1:] > stop[:-1])[: len(start)])
    return start[first], stop[np.append(first[1:], len(start)) - 1] if len(first) else stop


def reasons(facts: Facts, tier: int) -> dict[str, dict[str, int]]:
    """Bytes of one tier, all its places together: loaded, stored and refused, and why."""
    mine, moved = facts.transfers["tier"] == tier, facts.transfers["landed"] != NEVER

    def bytes_of(why: str, rows: "Bools") -> int:
        return int(facts.transfers["bytes"][mine & rows & _why(facts, (why,))].sum())

    return {
        "stored": {why: bytes_of(why, moved) for why in STORED},
        "refused": {why: bytes_of(why, ~moved) for why in REFUSED},
    }


def loaded(facts: Facts, tier: int) -> int:
    """Bytes that have been read from one tier, all its places together."""
    mine = (facts.transfers["tier"] == tier) & (facts.transfers["landed"] != NEVER)
    return int(facts.transfers["bytes"][mine & _why(facts, LOADED)].sum())


def rewritten(facts: Facts, labels: Labels, tier: int) -> float | None:
    """Bytes written to a tier over bytes of different content; None if nothing was written.

    Above 1: what had been evicted was computed and written again, or came twice at a time.
    """
    rows = facts.transfers
    mine = (rows["tier"] == tier) & (rows["landed"] != NEVER) & _why(facts, STORED)
    written = once = 0
    for place in np.unique(rows["place"][mine]).tolist():
        own = mine & (rows["place"] == place)
        head, tokens = rows["head"][own], rows["tokens"][own]
        once += distinct(labels.stretches(rows["request"][own], head, head + tokens))
        written += int(tokens.sum())
    return written / once if once else None


def _why(facts: Facts, reasons: tuple[str, ...]) -> "Bools":
    found: Any = np.isin(facts.transfers["why"], [WHY.index(reason) for reason in reasons])
    return found  # type: ignore[no-any-return]
