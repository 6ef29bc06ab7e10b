"""`kvsim validate`: predicted against measured, with errors by regime."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json

if TYPE_CHECKING:
    from kvsim.validate.replay import Comparison
    from kvsim.validate.silicon import Predicted, Skipped

app = typer.Typer(no_args_is_help=True, help="Predicted against measured.")
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
SHOWN = {"ttft_s": ("TTFT", 1e3, "ms"), "tpot_s": ("TPOT", 1e3, "ms"), "e2e_s": ("latency", 1, "s")}


@app.command("run")
def validate_run(
    run: Annotated[Path, typer.Argument(help="Folder or file of a recorded run.")],
    gpu: Annotated[str | None, typer.Option(help="GPU it ran on, if it does not say.")] = None,
    changes: Changes = None,
    folder: Out = None,
    json: Json = False,
) -> None:
    """Replay a recorded run of a real server, and compare."""
    from kvsim.validate.recorded import recorded
    from kvsim.validate.replay import replay

    record = recorded(run)
    told = replay(record, gpu, changes or ())
    found = {
        "run": record.name,
        "requests": len(record.requests),
        "ttft_counts_from": "queued" if record.stamped else "arrival",
        "gpu": told.scenario.cluster.node.gpu,
        "model": told.scenario.model,
        "kv_blocks_given": told.scenario.cluster.memory.blocks,
        "kv_capacity_tokens": told.result.summary["memory"]["kv_capacity_tokens"],
        "extrapolated_fraction": told.result.summary["extrapolated_fraction"],
        "measured": told.measured,
        "predicted": told.predicted,
        "errors": told.errors,
        "over_time": {"measured": record.series, "predicted": told.series},
    }
    if folder is not None:
        _write(folder, "validation.json", found)
        if told.series:
            from kvsim.validate.plot import draw

            picture = draw(record.name, record.series, told.series)
            (folder / "over-time.svg").write_text(picture, encoding="utf-8")
    if json:
        print_json(found)
        return
    _show_run(told, found)


def _show_run(told: "Comparison", found: dict[str, Any]) -> None:
    from rich.table import Table

    console = out()
    console.print(f"[bold]{found['run']}[/]  {found['requests']:,} requests, {found['model']} on "
                  f"{found['gpu']}")  # fmt: skip
    table = Table("", "measured", "predicted", "error", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for metric, (name, scale, unit) in SHOWN.items():
        for statistic, value in told.measured.get(metric, {}).items():
            other = told.predicted[metric][statistic]
            table.add_row(f"{name} {statistic}, {unit}", f"{value * scale:,.1f}",
                          f"{other * scale:,.1f}", f"{other / value - 1:+.1%}")  # fmt: skip
    for key, value in told.measured["throughput"].items():
        other = told.predicted["throughput"][key]
        table.add_row(key.replace("_", " "), f"{value:,.1f}", f"{other:,.1f}",
                      f"{other / value - 1:+.1%}")  # fmt: skip
    console.print(table)
    console.print(f"TTFT counts from `{found['ttft_counts_from']}`, arrivals are replayed from "
                  "`arrival`.")  # fmt: skip
    if not found["kv_blocks_given"]:
        console.print(
            f"The run does not say how many KV blocks it had: {found['kv_capacity_tokens']:,} "
            "tokens were computed (--set cluster.memory.blocks=N)."
        )
    if found["extrapolated_fraction"]:
        console.print(f"{found['extrapolated_fraction']:.1%} of the steps lie outside what was "
                      "measured of their kernels.")  # fmt: skip


@app.command("silicon")
def validate_silicon(
    file: Annotated[Path, typer.Argument(help="CSV of closed-loop points.")],
    jobs: Annotated[int, typer.Option(min=1, help="Points simulated at a time.")] = 1,
    changes: Changes = None,
    folder: Out = None,
    json: Json = False,
) -> None:
    """Simulate measured closed-loop points, one by one; errors by engine, model, GPU, TP."""
    from kvsim.validate.silicon import Point, Predicted, Skipped, predictions, rows, tables

    asked = list(rows(file))
    points = [one for one in asked if isinstance(one, Point)]
    with _counting(len(points)) as counted:
        told = predictions(points, jobs, counted, changes or ())
    done = [one for one in told if isinstance(one, Predicted)]
    skipped = [one for one in (*asked, *told) if isinstance(one, Skipped)]
    groups = tables(done)
    found = {
        "points": len(asked),
        "predicted": len(done),
        "skipped": [one._asdict() for one in skipped],
        "medians": groups[0] if groups else None,
        "groups": groups,
        "rows": [_row(one) for one in done],
    }
    if folder is not None:
        _write(folder, "validation.json", found)
    if json:
        print_json(found)
        return
    _show_silicon(groups, skipped)


def _row(one: "Predicted") -> dict[str, Any]:
    return {
        "id": one.point.id,
        "ttft_ms": one.point.ttft_ms,
        "tpot_ms": one.point.tpot_ms,
        "predicted_ttft_ms": one.ttft_ms,
        "predicted_tpot_ms": one.tpot_ms,
        "extrapolated": one.extrapolated > 0,
        "kv_limited": one.kv_limited,
    }


def _show_silicon(groups: list[dict[str, Any]], skipped: "list[Skipped]") -> None:
    from rich.table import Table

    table = Table("regime", "n", "TPOT p50", "p90", "bias", "TTFT p50", "p90", "bias", box=None,
                  pad_edge=False)  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for group in groups:
        tpot, ttft = group["tpot"], group["ttft"]
        table.add_row(
            group["regime"], str(group["points"]), f"{tpot['median']:.1%}", f"{tpot['p90']:.1%}",
            f"{tpot['bias']:+.1%}", f"{ttft['median']:.1%}", f"{ttft['p90']:.1%}",
            f"{ttft['bias']:+.1%}",
        )  # fmt: skip
    console = out()
    console.print(table)
    reasons: dict[str, int] = {}
    for one in skipped:
        reasons[one.reason] = reasons.get(one.reason, 0) + 1
    for reason, count in reasons.items():
        console.print(f"{count} rows left out: {reason}", markup=False)


def _counting(total: int) -> Any:
    """A bar on stderr; what it gives is called after each point."""
    from contextlib import contextmanager

    from rich.progress import Progress

    @contextmanager
    def bar() -> Any:
        with Progress(console=err(), transient=True) as progress:
            task = progress.add_task("points", total=total)
            yield lambda: progress.advance(task)

    return bar()


def _write(folder: Path, name: str, found: dict[str, Any]) -> None:
    from json import dumps

    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(dumps(found, indent=2), encoding="utf-8")
