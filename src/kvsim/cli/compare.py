"""`kvsim compare`: several scenarios or run folders side by side, with differences."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Json, Seed, TraceFile, TraceFormat
from kvsim.errors import InputError


def compare(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="A [B ...]", help="Scenarios or run folders.")
    ],
    set_a: Annotated[
        list[str] | None, typer.Option("--set-a", metavar="PATH=VALUE", help="Change A only.")
    ] = None,
    set_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="PATH=VALUE", help="Change B only.")
    ] = None,
    trace: TraceFile = None,
    format: TraceFormat = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Run scenarios side by side; of one scenario, compare --set-a with --set-b."""
    from kvsim.scenario.run import INTERRUPTED

    changes = [set_a or [], set_b or []]
    if len(scenarios) == 1:
        if not (set_a or set_b):
            raise InputError("compare needs two scenarios, or one with --set-a and --set-b.")
        scenarios = scenarios * 2
    elif len(scenarios) > 2 and (set_a or set_b):
        raise InputError("--set-a and --set-b change the first two of at most two scenarios.")
    names, summaries = [], []
    for place, name in enumerate(scenarios):
        own = changes[place] if place < len(changes) else []
        title, summary = _summary(name, own, trace, format, seed)
        names.append(title)
        summaries.append(summary)
        if summary["partial"] == INTERRUPTED:
            break  # Ctrl-C is meant for all of them
    if json:
        runs = [{"name": n, "summary": s} for n, s in zip(names, summaries, strict=True)]
        print_json({"runs": runs, "differences": differences(summaries)})
    else:
        from kvsim.report.tables import comparison

        out().print(comparison(names, summaries))
    partial = [name for name, s in zip(names, summaries, strict=True) if s["partial"]]
    if partial:
        err().print(f"Partial results: {', '.join(partial)}.", soft_wrap=True, markup=False)
        raise typer.Exit(1)


def differences(summaries: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Per metric, as `ttft_s.p99`: each run's relative difference from the first; null without."""
    first = _flat(summaries[0])
    others = [_flat(summary) for summary in summaries[1:]]

    def relative(name: str, other: dict[str, float]) -> float | None:
        if name not in other or not first[name]:
            return None
        return other[name] / first[name] - 1

    return {name: [relative(name, other) for other in others] for name in first}


def _flat(summary: dict[str, Any]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for part, value in summary.items():
        if part in ("manifest", "simulator", "confidence"):
            continue
        for name, number in value.items() if isinstance(value, dict) else ():
            if isinstance(number, int | float):
                numbers[f"{part}.{name}"] = number
    return numbers


def _summary(
    name: str, changes: list[str], trace: str | None, format: str | None, seed: int | None
) -> tuple[str, dict[str, Any]]:
    """A title and the summary: read from a run folder, or made by a run.

    A run folder with something changed is run again.
    """
    from kvsim.cli.progress import watching
    from kvsim.scenario import load
    from kvsim.scenario.run import run

    stored = Path(name) / "summary.json"
    if stored.is_file() and not changes and trace is None and seed is None:
        err().print(f"{name}: read from {stored}, not run again.", soft_wrap=True, markup=False)
        return Path(name).resolve().name, _stored(stored)
    scenario = load(name, changes, trace, format, seed)
    with watching() as watch:
        result = run(scenario, look=watch.look, started=watch.started)
    return " ".join([scenario.name, *changes]), result.summary


def _stored(path: Path) -> dict[str, Any]:
    """The summary that a run has left."""
    try:
        summary = jsonlib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    if not isinstance(summary, dict) or not {"partial", "requests", "ttft_s"} <= summary.keys():
        raise InputError(f"{path} is no summary of a run.")
    return summary
