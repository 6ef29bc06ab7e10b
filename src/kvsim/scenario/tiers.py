"""What a run did to its links and to the tiers below HBM, all nodes together."""

from typing import Any

from kvsim.hardware import drive
from kvsim.scenario.build import Machine
from kvsim.sim.labels import Labels
from kvsim.sim.metrics import Facts
from kvsim.sim.moves import by_link, flowing, loaded, reasons, rewritten
from kvsim.sim.recorder import TIERS
from kvsim.units import SECOND, Ns

DAY = 24 * 3600 * SECOND
AMOUNTS = (
    "capacity_bytes", "held_bytes", "written_bytes", "refused_bytes", "missed_bytes",
    "evicted_bytes",
)  # fmt: skip


def transfers(machine: Machine, facts: Facts, end: Ns) -> dict[str, dict[str, float]]:
    """Per link: bytes, share of the time with a transfer, and time lost to sharing it."""
    busy = {}
    for name, moved in by_link(facts):
        begun, until = flowing(moved, end)
        busy[name] = int((until - begun).sum())
    return {
        name: {
            "bytes": link.bytes,
            "busy_fraction": busy.get(name, 0) / end if end else 0.0,
            "queue_s": link.delay / SECOND,
        }
        for name, link in sorted(machine.room.fabric.links.items())
    }


def tiers(machine: Machine, facts: Facts, labels: Labels, end: Ns) -> dict[str, dict[str, Any]]:
    """Per tier below HBM: what it holds, took and gave, and why; what it refused and evicted.

    `stored_bytes` says when, `refused_for` why not: too much was on its way in (`backlog`), or
    all it held was in use (`room`). `missed_bytes` left the store above before they could be
    written back; zero where nothing is. `write_amplification` is bytes written over bytes of
    different content: what was evicted and came again is written again. `written_per_loaded` is
    what a byte that was of use has cost.
    """
    found: dict[str, dict[str, Any]] = {}
    for (name, _), tier in machine.room.tiers.items():
        part = found.setdefault(name, dict.fromkeys(AMOUNTS, 0))
        tree = tier.tree
        amounts = (
            tier.capacity, tree.bytes, tier.written, tier.refused, tier.missed, tree.evicted,
        )  # fmt: skip
        for key, amount in zip(AMOUNTS, amounts, strict=True):
            part[key] += amount
    for name, part in found.items():
        rank = TIERS.index(name)
        moved, read = reasons(facts, rank), loaded(facts, rank)
        part["loaded_bytes"] = read
        part["stored_bytes"], part["refused_for"] = moved["stored"], moved["refused"]
        part["write_amplification"] = rewritten(facts, labels, rank)
        part["written_per_loaded"] = part["written_bytes"] / read if read else None
    if "ssd" in found:
        found["ssd"] |= _endurance(machine, found["ssd"]["written_bytes"], end)
    return found


def _endurance(machine: Machine, written: int, end: Ns) -> dict[str, float | None]:
    """Bytes written a day at this rate, and how many the drives' makers warrant for.

    Makers count what the host writes; what a drive writes on top of that is in their figure.
    """
    spec = machine.scenario.cluster.tiers.ssd
    assert spec is not None
    one, count = drive(spec.device), spec.drives * machine.room.nodes
    rated = None
    if one.endurance is not None and one.warranty is not None:
        rated = one.endurance * count * DAY / one.warranty
    return {
        "written_bytes_per_day": written * DAY / end if end else None,
        "rated_bytes_per_day": rated,
    }
