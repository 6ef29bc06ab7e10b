"""`kvsim run`: simulate one scenario and say what its user would have measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json, Seed, TraceFile, TraceFormat

if TYPE_CHECKING:
    from kvsim.scenario.run import Result


def run(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a shipped scenario.")],
    trace: TraceFile = None,
    format: TraceFormat = None,
    changes: Changes = None,
    seed: Seed = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")
    ] = None,
    json: Json = False,
    replications: Annotated[
        int, typer.Option(min=1, metavar="N", help="Run N seeds and give 95 % intervals.")
    ] = 1,
    max_wall: Annotated[
        float | None, typer.Option(min=0.0, metavar="S", help="Stop after S seconds, partial.")
    ] = None,
    step_by_step: Annotated[
        bool, typer.Option("--step-by-step", help="Take every step by itself: slow, the same.")
    ] = False,
    perfetto: Annotated[
        bool, typer.Option("--perfetto", help="Also write trace.perfetto.json into the folder.")
    ] = False,
) -> None:
    """Simulate a scenario: TTFT, TPOT, goodput, hit rates, cost."""
    from kvsim.cli.progress import watching
    from kvsim.scenario import load
    from kvsim.scenario.folder import reserve, write
    from kvsim.scenario.replications import replicate

    asked = load(scenario, changes or (), trace, format, seed)
    if folder is None and not json:
        folder = default_folder(asked)
    if folder is not None:
        reserve(folder)
    with watching() as watch:
        result = replicate(
            asked,
            replications,
            step_by_step=step_by_step,
            max_wall=max_wall,
            look=watch.look,
            started=watch.started,
        )
    if folder is not None:
        write(result, folder, lambda draft: _pictures(draft, perfetto))
    if json:
        print_json(result.summary)
    else:
        _show(result, folder)
    if result.summary["partial"]:
        err().print(f"[bold]Partial results:[/] {result.summary['partial']}.")
        raise typer.Exit(1)


def default_folder(scenario: Any) -> Path:
    """`runs/NAME-HASH`: the same scenario has the same folder, another one has another."""
    import hashlib
    import re

    from kvsim.scenario import dump

    digest = hashlib.sha256(dump(scenario).encode()).hexdigest()
    name = re.sub(r"[^\w.-]+", "-", scenario.name).strip(".-") or "run"
    return Path("runs") / f"{name}-{digest[:8]}"


def _show(result: "Result", folder: Path | None) -> None:
    from kvsim.report.tables import overview

    console = out()
    console.print(overview(result.summary, result.machine.scenario.name))
    if folder is not None:
        console.print(
            f"Written to {folder} (open {folder / 'report.html'})", soft_wrap=True, markup=False
        )


def _pictures(draft: Path, perfetto: bool) -> None:
    from kvsim.report.page import write_report

    write_report(draft)
    if perfetto:
        from kvsim.report.perfetto import write_perfetto

        write_perfetto(draft)
