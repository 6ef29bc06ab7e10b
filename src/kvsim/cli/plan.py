"""`kvsim plan`: the cheapest configuration that meets the SLO."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json

if TYPE_CHECKING:
    from kvsim.sweep.plan import Candidate


def plan(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a shipped scenario.")],
    space: Annotated[Path, typer.Option(metavar="FILE", help="YAML: paths and their values.")],
    minimize: Annotated[str, typer.Option(help="cost, cost_per_token, goodput_per_gpu.")] = "cost",
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
    from kvsim.sweep.plan import OBJECTIVES
    from kvsim.sweep.plan import plan as search
    from kvsim.sweep.plan import space as read

    if minimize not in OBJECTIVES:
        raise InputError(f"--minimize: found {minimize!r}.{perhaps(minimize, OBJECTIVES)}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    found = search(scenario, tuple(changes or ()), read(space), minimize, trials, folder,  # type: ignore[arg-type]
                   _quiet if json else _tell)  # fmt: skip
    best = found[0] if found[0].met else None
    if json:
        print_json({"best": None if best is None else _row(best),
                    "candidates": [_row(one) for one in found]})  # fmt: skip
    else:
        _show(found)
    if best is None:
        raise typer.Exit(1)


def _row(one: "Candidate") -> dict[str, Any]:
    from kvsim.sweep.table import row

    told = row(one.point) if one.point is not None else dict(one.values)
    cost = None if one.usd_per_hour == float("inf") else one.usd_per_hour
    return {**told, "usd_per_hour": cost, "gpus": one.gpus, "met": one.met,
            "was_run": one.point is not None}  # fmt: skip


def _tell(one: "Candidate") -> None:
    told = ", ".join(f"{path.rsplit('.', 1)[-1]}={value}" for path, value in one.values.items())
    err().print(f"  ${one.usd_per_hour or 0:.2f}/h {'met   ' if one.met else 'missed'} {told}",
                markup=False)  # fmt: skip


def _quiet(one: "Candidate") -> None:
    """With --json nothing but the answer is told."""


def _show(found: "list[Candidate]") -> None:
    from rich.table import Table

    paths = list(found[0].values)
    table = Table(*(path.rsplit(".", 1)[-1] for path in paths), "$/h", "GPUs", "SLO", "goodput/s",
                  "$/M tokens", "", box=None, pad_edge=False)  # fmt: skip
    for one in found:
        row = _row(one)
        told = [
            _text(row.get("attainment"), 100),
            _text(row.get("goodput_rps"), 1),
            _text(row.get("usd_per_million_output_tokens"), 1),
        ]
        word = "meets the SLO" if one.met else "misses" if one.point else "not needed"
        if row.get("error"):
            word = "does not run"
        table.add_row(*(str(one.values[path]) for path in paths), _text(row["usd_per_hour"], 1),
                      str(one.gpus), *told, word)  # fmt: skip
    out().print(table)
    if not found[0].met:
        out().print("No configuration of the space meets the SLO.")


def _text(value: float | None, scale: float) -> str:
    return "–" if value is None else f"{value * scale:.3g}"
