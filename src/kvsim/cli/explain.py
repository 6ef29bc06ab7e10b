"""`kvsim explain`: where memory goes, what a step is made of, why a request was slow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Changes, Json
from kvsim.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

GB = 1e9
WAYS = {
    "cake": "from both ends (Cake)",
    "hcache": "as hidden states (HCache)",
    "kvpr": "first of them so (KVPR)",
}


def explain(
    subject: Annotated[str, typer.Argument(metavar="SCENARIO|RUN", help="Scenario or run folder.")],
    request: Annotated[
        int | None, typer.Option("--request", metavar="ID", help="Of a run: why was this one slow?")
    ] = None,
    changes: Changes = None,
    json: Json = False,
) -> None:
    """Where memory goes and what steps are made of; or why a request of a run was slow."""
    if request is not None:
        _explain_request(Path(subject), request, json)
        return
    from kvsim.scenario import load
    from kvsim.scenario.explain import explain as explained

    told = explained(load(subject, changes or ()))
    if json:
        print_json(told)
        return
    console = out()
    for pool in told["pools"]:
        shape = f"tensor {pool['tensor']} x pipeline {pool['pipeline']}"
        console.print(
            f"[bold]{told['model']}[/] on {pool['gpu']}, {shape}, {pool['replicas']} replicas"
        )
        console.print(_memory(pool["memory"]))
        console.print()
        console.print(_steps(pool["step_times"]))
        if pool["break_even"]:
            console.print()
            console.print(_break_even(pool["break_even"]))
            for tier in pool["break_even"]:
                console.print(_where(tier))
        if any(step["extrapolated"] for step in pool["step_times"]):
            console.print("* outside the measured grid")
        if pool["calibration"] is None:
            console.print("Times follow from the data sheet: this GPU has no measured calibration.")
        console.print()


def _memory(memory: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    whole = memory["reported_bytes"]
    names = {
        "weights_bytes": "weights",
        "activations_bytes": "activations, at their peak",
        "context_bytes": "CUDA context and libraries",
        "graphs_bytes": "CUDA graphs",
        "unused_bytes": "left to others (1 - utilization)",
        "kv_bytes": "KV cache",
    }
    for key, name in names.items():
        table.add_row(name, f"{memory[key] / GB:.2f} GB", f"{memory[key] / whole:.1%}")
    table.add_row("one GPU as its driver reports it", f"{whole / GB:.2f} GB", "")
    if memory["kv_elsewhere_bytes"]:
        table.add_row("KV outside HBM, per GPU", f"{memory['kv_elsewhere_bytes'] / GB:.2f} GB", "")
    if memory["kv_tokens"] is not None:
        given = " (given)" if memory["blocks_given"] else ""
        blocks = f"{memory['kv_blocks']:,} blocks{given}"
        table.add_row("KV of a replica", f"{memory['kv_tokens']:,} tokens", blocks)
    return table


def _steps(steps: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table("step (ms)", box=None, pad_edge=False)
    short = {"elementwise": "elem", "all-reduce": "reduce", "host, states, hops": "host"}
    for column in ("total", *(short.get(n, n) for n in steps[0]["parts_ms"]), "MFU", "MBU"):
        table.add_column(column, justify="right")
    for step in steps:
        mark = "*" if step["extrapolated"] else ""
        parts = (f"{ms:.2f}" for ms in step["parts_ms"].values())
        table.add_row(
            step["step"],
            f"{step['ms']:.2f}{mark}",
            *parts,
            f"{step['mfu']:.0%}",
            f"{step['mbu']:.0%}",
        )
    return table


def _break_even(tiers: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table("loading a prefix, or computing it", box=None, pad_edge=False)
    for length in tiers[0]["lengths"]:
        table.add_column(f"{length['tokens']:,}", justify="right")
    compute = [length["compute_ms"] for length in tiers[0]["lengths"]]
    table.add_row("compute (ms)", *(f"{ms:,.1f}" for ms in compute))
    for tier in tiers:
        lengths = tier["lengths"]
        table.add_row(f"load from {tier['tier']}", *(f"{one['load_ms']:,.1f}" for one in lengths))
        loads = (f"{one['loads']:,}" if one["loads"] else "never" for one in lengths)
        table.add_row("  sooner for so many at once", *loads)
        for way, name in WAYS.items():
            if lengths and lengths[0][way] is not None:
                table.add_row(f"  {name}", *(f"{one[way]['ms']:,.1f}" for one in lengths))
        met = (f"{one['cake']['loaded']:,}" for one in lengths)
        table.add_row("  of which Cake loads tokens", *met)
    return table


def _where(tier: dict[str, Any]) -> str:
    """For which lengths loading wins, and what limits it."""
    spans = [
        f"from {low:,} tokens on" if high is None else f"from {low:,} to {high:,} tokens"
        for low, high in tier["load_wins"]
    ]
    wins = f"sooner {' and '.join(spans)}" if spans else "never sooner"
    return (
        f"{tier['tier']}: {wins}; {tier['slowest_link']} limits it to "
        f"{tier['bytes_per_s'] / GB:.1f} GB/s, {tier['bytes_per_token'] / 1e3:,.1f} kB a token"
    )


def _explain_request(folder: Path, id: int, json: bool) -> None:
    table = _requests(folder)
    ids = table.column("id").to_pylist()
    if id not in ids:
        known = f"ids go from {min(ids)} to {max(ids)}" if ids else "nothing arrived in it"
        raise InputError(f"{folder} has no request {id}; {known}.")
    from kvsim.report.reasons import reason

    row = table.slice(ids.index(id), 1).to_pylist()[0]
    if json:
        print_json({**row, "why": reason(row)})
        return
    from rich.markup import escape

    console = out()
    console.print(f"[bold]Request {id}[/], {row['status']}: {escape(reason(row))}")
    seconds = ("queue", "load", "prefill", "transfer", "other", "paused")
    for name, value in row.items():
        if value is None or name in ("reason", "status", "id"):
            continue
        instant = name in ("arrival", "admitted", "first_token", "finish")
        shown = f"{value / 1e9:,.3f} s" if instant or name in seconds else f"{value}"
        console.print(f"  {name:17} {shown}", highlight=False)


def _requests(folder: Path) -> Any:
    """The table of a run's requests."""
    path = folder / "requests.parquet"
    if not path.is_file():
        raise InputError(f"{folder} is not a run folder: it has no requests.parquet.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not Parquet: {' '.join(str(error).split())}") from None
