"""`kvsim plan`: the cheapest configuration that meets the SLO."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.axes import heads
from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json

if TYPE_CHECKING:
    from kvsim.sweep.plan import Candidate


def plan(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a shipped scenario.")],
    space: Annotated[
        Path, typer.Option(metavar="FILE", help="YAML: paths and their values; or a shipped name.")
    ],
    minimize: Annotated[
        str, typer.Option(help="cost, cost_per_token, goodput_per_gpu, rate_per_gpu.")
    ] = "cost",
    trials: Annotated[
        int | None, typer.Option(min=1, help="Let Optuna choose so many of a large space.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep finished runs here.")
    ] = None,
    changes: Changes = None,
    json: Json = False,
) -> None:
    """Search a space of configurations for the cheapest that meets the SLO."""
    from kvsim.errors import InputError, perhaps
    from kvsim.sweep.grid import make
    from kvsim.sweep.plan import OBJECTIVES
    from kvsim.sweep.plan import plan as search
    from kvsim.sweep.plan import space as read

    if minimize not in OBJECTIVES:
        raise InputError(f"--minimize: found {minimize!r}.{perhaps(minimize, OBJECTIVES)}")
    if folder is not None:
        make(folder)
    found = search(scenario, tuple(changes or ()), read(space), minimize, trials, folder,  # type: ignore[arg-type]
                   _quiet if json else _tell)  # fmt: skip
    best = found[0] if found[0].met else None
    if json:
        print_json({"best": None if best is None else _row(best),
                    "candidates": [_row(one) for one in found]})  # fmt: skip
    else:
        _show(found, scenario, tuple(changes or ()))
    if best is None:
        raise typer.Exit(1)


def _row(one: "Candidate") -> dict[str, Any]:
    from kvsim.sweep.table import row

    told = row(one.point) if one.point is not None else dict(one.values)
    cost = None if one.usd_per_hour == float("inf") else one.usd_per_hour
    return {**told, "usd_per_hour": cost, "gpus": one.gpus, "met": one.met,
            "was_run": one.point is not None}  # fmt: skip


def _tell(one: "Candidate") -> None:
    named = zip(heads(one.values).heads, one.values.values(), strict=True)
    told = ", ".join(f"{head}={value}" for head, value in named)
    err().print(f"  ${one.usd_per_hour or 0:.2f}/h {'met   ' if one.met else 'missed'} {told}",
                markup=False, soft_wrap=True)  # fmt: skip


def _quiet(one: "Candidate") -> None:
    """With --json nothing but the answer is told."""


def _show(found: "list[Candidate]", scenario: str, changes: tuple[str, ...]) -> None:
    from rich.table import Table

    console = out()
    named = heads(found[0].values)
    for line in named.legend:
        console.print(line, markup=False)
    table = Table(*named.heads, box=None, pad_edge=False)
    for head in ("$/h", "GPUs", "in time", "goodput/s", "$/M tokens"):
        table.add_column(head, justify="right")
    table.add_column("SLO", no_wrap=True)
    for one in found:
        if one.point is not None and one.point.error is None:
            table.add_row(*_cells(one))
    if table.rows:
        console.print(table)
    faults = [one.point.error for one in found if one.point is not None and one.point.error]
    for fault in dict.fromkeys(faults):
        console.print(f"{faults.count(fault)} cannot run: {fault}", markup=False)
    left = sum(one.point is None for one in found)
    if left:
        console.print(f"{left} that cost as much or more were not needed.")
    if not found[0].met:
        console.print("No configuration of the space meets the SLO.")
        return
    from kvsim.sweep.grid import settings

    words = ["kvsim run", shlex.quote(scenario)]
    words += [f"--set {shlex.quote(one)}" for one in (*changes, *settings(found[0].values))]
    console.print(f"Best: {' '.join(words)}", markup=False, soft_wrap=True)


def _cells(one: "Candidate") -> list[str]:
    row = _row(one)
    share = row.get("attainment")
    return [
        *(str(value) for value in one.values.values()),
        _text(row["usd_per_hour"]),
        str(one.gpus),
        "–" if share is None else f"{share:.1%}",
        _text(row.get("goodput_rps")),
        _text(row.get("usd_per_million_output_tokens")),
        "met" if one.met else "missed",
    ]


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
