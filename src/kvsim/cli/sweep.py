"""`kvsim sweep`: a grid over any values of a scenario."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kvsim.cli.axes import heads
from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json

MEASURES = ("goodput/s", "SLO", "TTFT p99 s", "TPOT p99 ms", "hits", "$/M tokens")


def sweep(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a shipped scenario.")],
    grid: Annotated[
        list[str] | None, typer.Option("--grid", metavar="PATH=V,V", help="Values of one path.")
    ] = None,
    changes: Changes = None,
    executor: Annotated[str, typer.Option(help="process, or ray.")] = "process",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Points at a time; all cores if left out.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Keep points that are there, or run them anew.")
    ] = True,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")
    ] = None,
    json: Json = False,
) -> None:
    """Run every combination; one table, one page. A killed sweep goes on where it was."""
    import os

    from kvsim.errors import InputError
    from kvsim.scenario import load
    from kvsim.sweep.grid import axes, solved
    from kvsim.sweep.table import row, write

    if executor not in ("process", "ray"):
        raise InputError(f"--executor: found {executor!r}; allowed: process, ray.")
    asked = axes(grid or ())
    sets = tuple(changes or ())
    load(scenario, sets)  # what is wrong with all points is told once, before any
    place = folder or (None if json else _default(scenario, asked, sets))
    points = place / "points" if place is not None else None
    if points is not None and not resume:
        for old in points.glob("*.json"):
            old.unlink()
    count = 1
    for values in asked.values():
        count *= len(values)
    with _bar(count) as told:
        try:
            found = solved(scenario, sets, asked, points, jobs or os.cpu_count() or 1, executor,
                           told)  # fmt: skip
        except KeyboardInterrupt:
            err().print(_interrupted(points), markup=False)
            raise typer.Exit(1) from None
    if place is not None:
        write(found, place, ", ".join((f"{Path(scenario).stem}: {' x '.join(asked)}", *sets)))
    if json:
        print_json({"points": [row(point) for point in found]})
    else:
        _show([row(point) for point in found], list(asked), place)
    if any(point.error for point in found):
        raise typer.Exit(1)


def _interrupted(points: Path | None) -> str:
    if points is None:
        return "kvsim: interrupted; nothing was written."
    return f"kvsim: interrupted; finished points are kept in {points}: the same command goes on."


def _default(scenario: str, asked: dict[str, Any], sets: tuple[str, ...]) -> Path:
    import hashlib

    digest = hashlib.sha256(repr((scenario, asked, sets)).encode()).hexdigest()[:8]
    return Path("runs") / f"{Path(scenario).stem}-sweep-{digest}"


def _show(rows: list[dict[str, Any]], paths: list[str], place: Path | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    named = heads(paths)
    for head in named.heads:
        table.add_column(head, overflow="fold", no_wrap=True)
    for head in MEASURES:
        table.add_column(head, justify="right")
    for row in rows:
        values = [str(row[path]) for path in paths]
        if row["error"] is not None:
            table.add_row(*values, "failed")
            continue
        table.add_row(
            *values, _text(row["goodput_rps"]), _text(row["attainment"], 100, "%"),
            _text(row["ttft_p99_s"]), _text(row["tpot_p99_s"], 1e3),
            _text(row["hit_rate"], 100, "%"), _text(row["usd_per_million_output_tokens"]),
        )  # fmt: skip
    console = out()
    for line in named.legend:
        console.print(line, markup=False)
    console.print(table)
    for error in dict.fromkeys(row["error"] for row in rows if row["error"] is not None):
        failed = [row for row in rows if row["error"] == error]
        told = ", ".join(f"{path}={failed[0][path]}" for path in paths)
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        console.print(f"failed: {told}{more}: {error}", markup=False)
    if place is not None:
        console.print(f"Written to {place} (open {place / 'sweep.html'})", soft_wrap=True,
                      markup=False)  # fmt: skip


def _text(value: float | None, scale: float = 1.0, unit: str = "") -> str:
    return "–" if value is None else f"{value * scale:.3g}{unit}"


def _bar(total: int) -> Any:
    from contextlib import contextmanager

    from rich.progress import Progress

    @contextmanager
    def bar() -> Any:
        with Progress(console=err(), transient=True) as progress:
            task = progress.add_task("points", total=total)
            yield lambda point: progress.advance(task)

    return bar()
