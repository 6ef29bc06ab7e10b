"""`kvsim hitrate`: what a cache of so many blocks would have hit, by policy, without time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json, TraceFormat
from kvsim.errors import InputError

if TYPE_CHECKING:
    from kvsim.sim.hitrate import HitRate

BASIC = "lru,lfu,fifo,belady"


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

    sizes = [_blocks(text) for text in capacities.split(",")]
    registry = answers("eviction")
    names = registry.names() if policies == "all" else [p.strip() for p in policies.split(",")]
    for name in names:
        registry.answer(name)
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
        _show(rates, names, sizes, f"{what} by capacity in blocks of {lookups.block_tokens} tokens")


def _curve(point: "HitRate") -> dict[str, Any]:
    rates = {"hit_rate": point.hit_rate, "token_hit_rate": point.token_hit_rate}
    return {**point._asdict(), **rates}


def _blocks(text: str) -> int:
    scale = {"k": 1000, "m": 1_000_000}.get(text.strip()[-1:].lower(), 1)
    number = text.strip().rstrip("kKmM")
    try:
        blocks = float(number) * scale
    except ValueError:
        blocks = -1.0
    if blocks < 1 or blocks != int(blocks):
        raise InputError(f"--capacities: {text!r} is no number of blocks; write 1000,10k,1e5.")
    return int(blocks)


def _show(
    rates: dict[tuple[str, int], float], names: list[str], sizes: list[int], title: str
) -> None:
    from rich.table import Table

    table = Table("policy", box=None, pad_edge=False)
    for size in sizes:
        table.add_column(f"{size:,}", justify="right")
    for name in names:
        table.add_row(name, *(f"{rates[name, size]:.4f}" for size in sizes))
    console = out()
    console.print(title)
    console.print(table)
