"""Tiers and links in a phrase each: for the terminal, for the page, and as warnings."""

from collections.abc import Iterator, Mapping
from typing import Any

from kvsim.report import words
from kvsim.report.measures import NOTABLE, TIERS, Summary, at, number

LINKS = {
    "h2d": "host to GPU",
    "d2h": "GPU to host",
    "dram": "DRAM bus",
    "socket": "between sockets",
    "ssd-read": "SSD read",
    "ssd-write": "SSD write",
    "net-in": "network in",
    "net-out": "network out",
    "remote-read": "pool read",
    "remote-write": "pool write",
}
"""Kinds of links, and their names for people; a link is called by its kind and its place."""

LEAST = 0.0005
"""Shares below it are written as less than 0.1 %."""


def kind_of(link: str) -> str:
    """What links like `link` are called."""
    word = link.partition(" ")[0]
    return LINKS.get(word, word)


def links(summary: Summary) -> list[str]:
    """Bytes and busy share of the links that were used, alike ones together."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for link, use in (at(summary, "transfers") or {}).items():
        if number(use or {}, "bytes"):
            kinds.setdefault(kind_of(link), []).append(use)
    found = []
    for kind, uses in kinds.items():
        moved = words.size(sum(number(use, "bytes") or 0 for use in uses))
        busiest = max(number(use, "busy_fraction") or 0.0 for use in uses)
        many = f" ({len(uses)})" if len(uses) > 1 else ""
        up_to = "up to " if len(uses) > 1 and busiest >= LEAST else ""
        found.append(f"{kind}{many} {moved}, busy {up_to}{words.percent(busiest)}")
    return found


def bounds(summary: Summary) -> list[str]:
    """What each tier's eviction finds of what it was asked for, and the most that any could."""
    return [
        f"{TIERS.get(tier, tier)}: {at(part, 'policy')} {words.percent(number(part, 'hit_rate'))}, "
        f"optimum {words.percent(number(part, 'optimum'))}"
        for tier, part in (at(summary, "cache.bound") or {}).items()
    ]


def amounts(summary: Summary) -> list[str]:
    """What each tier took and gave."""
    found = []
    for tier, part in (at(summary, "tiers") or {}).items():
        full = _share(number(part, "held_bytes"), number(part, "capacity_bytes"))
        told = [f"{words.percent(full)} full at the end"] if full is not None else []
        told += [
            f"{words.size(size)} {verb}"
            for key, verb in (("written_bytes", "written"), ("loaded_bytes", "loaded"))
            if (size := number(part, key)) is not None
        ]
        found.append(f"{TIERS.get(tier, tier)} {', '.join(told)}")
    return found


def wear(summary: Summary) -> list[str]:
    """How fast drives are written, against what their makers warrant."""
    daily = number(summary, "tiers.ssd.written_bytes_per_day")
    rated = number(summary, "tiers.ssd.rated_bytes_per_day")
    if daily is None:
        return []
    warranted = f", {words.size(rated)} warranted" if rated else ", no rating published"
    found = [f"{words.size(daily)} written a day{warranted}"]
    again = number(summary, "tiers.ssd.write_amplification")
    return found + ([f"each byte {words.digits(again)} times"] if again else [])


def warnings(summary: Summary) -> Iterator[str]:
    """Tiers that could not keep up, and drives that would not last."""
    for tier, part in (at(summary, "tiers") or {}).items():
        refused, written = number(part, "refused_bytes"), number(part, "written_bytes")
        share = _share(refused, (refused or 0.0) + (written or 0.0))
        if share is not None and share >= NOTABLE:
            behind, full = (
                number(part, f"refused_for.{why}") or 0.0 for why in ("backlog", "room")
            )
            why = "all it held was in use" if full > behind else "too much was on its way in"
            yield (
                f"{TIERS.get(tier, tier)} refused {words.size(refused)}, {words.percent(share)} of "
                f"what it was to store: {why}"
            )
        missed = number(part, "missed_bytes")
        lost = _share(missed, (missed or 0.0) + (written or 0.0))
        if missed and lost and lost > NOTABLE:
            yield (
                f"{words.size(missed)} left the store above {TIERS.get(tier, tier)} before they "
                "could be written back: keep more room ahead"
            )
    daily = number(summary, "tiers.ssd.written_bytes_per_day")
    rated = number(summary, "tiers.ssd.rated_bytes_per_day")
    if daily and rated and daily > rated:
        yield (
            f"SSD is written {words.digits(daily / rated)} times as fast as its makers warrant: "
            f"{words.size(daily)} a day, {words.size(rated)} rated"
        )


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
