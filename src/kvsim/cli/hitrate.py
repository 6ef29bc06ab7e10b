"""`kvsim hitrate`: what a cache of so many blocks would have hit, by policy, without time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json, TraceFormat
from kvsim.errors import InputError

if TYPE_CHECKING:
    from kvsim.sim.hitrate import HitRate
    from kvsim.sim.registry import Registry

BASIC = "lru,lfu,fifo,belady"
SCALES = {"k": 1000, "m": 1_000_000}
MOST_BLOCKS = 1 << 53
COLUMNS = 6
"""Capacities beside each other; so many fit into 80 columns."""


def hitrate(
    trace: Annotated[str, typer.Option("--trace", metavar="FILE", help="A trace with block ids.")],
    capacities: Annotated[
        str, typer.Option(metavar="N,N,...", help="Cache sizes in blocks of the trace.")
    ] = "1000,3000,10000,30000,100000",
    policies: Annotated[
        str, typer.Option(metavar="P,P,...", help="Eviction policies, or all.")
    ] = BASIC,
    warmup: Annotated[
        float, typer.Option(metavar="SHARE", help="First requests not counted, below 1.")
    ] = 0.0,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show shares of tokens, not of blocks.")
    ] = False,
    format: TraceFormat = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw miss ratios into this HTML.")
    ] = None,
    json: Json = False,
) -> None:
    """Hit rate of a cache by policy and capacity, replayed in order without time."""
    from kvsim.policies import answers
    from kvsim.sim.hitrate import Lookups
    from kvsim.traces import open_trace

    sizes = sorted({_blocks(text) for text in capacities.split(",")})
    registry = answers("eviction")
    names = _names(policies, registry)
    lookups = Lookups(open_trace(trace, format).arrivals())
    if not lookups.total:
        raise InputError(f"{trace} has no block ids: nothing can be hit.")
    found = [
        lookups.replay(registry.make(name), size, name, warmup) for name in names for size in sizes
    ]
    curves = [_curve(point) for point in found]
    shown = "token_hit_rate" if tokens else "hit_rate"
    if plot is not None:
        from kvsim.report.misses import write_misses

        write_misses([{**point, "hit_rate": point[shown]} for point in curves], plot)
    if json:
        print_json({"trace": trace, "block_tokens": lookups.block_tokens, "curves": curves})
    else:
        what = "Share of tokens hit" if tokens else "Hit rate"
        rates = {(one["policy"], one["capacity_blocks"]): one[shown] for one in curves}
        _show(rates, sizes, f"{what} by capacity in blocks of {lookups.block_tokens} tokens")


def _curve(point: "HitRate") -> dict[str, Any]:
    rates = {"hit_rate": point.hit_rate, "token_hit_rate": point.token_hit_rate}
    return {**point._asdict(), **rates}


def _blocks(text: str) -> int:
    word = text.strip().lower()
    scale = SCALES.get(word[-1:], 1)
    try:
        blocks = float(word[:-1] if word[-1:] in SCALES else word) * scale
    except ValueError:
        blocks = 0.0
    if not 1 <= blocks < MOST_BLOCKS or blocks != int(blocks):
        raise InputError(f"--capacities: {text!r} is no number of blocks; write 1000,10k,1e5.")
    return int(blocks)


def _names(text: str, registry: "Registry[Any]") -> list[str]:
    """Policies asked for, each once; raises InputError for one that is not there."""
    if text.strip() == "all":
        return registry.names()
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        registry.answer(name)
    return names


def _show(rates: dict[tuple[str, int], float], sizes: list[int], title: str) -> None:
    from rich.table import Table

    names = list(dict.fromkeys(name for name, _ in rates))
    console = out()
    console.print(title)
    for first in range(0, len(sizes), COLUMNS):
        table = Table("policy", box=None, pad_edge=False)
        for size in sizes[first : first + COLUMNS]:
            table.add_column(f"{size:,}", justify="right")
        for name in names:
            row = (f"{rates[name, size]:.4f}" for size in sizes[first : first + COLUMNS])
            table.add_row(name, *row)
        console.print(table)
