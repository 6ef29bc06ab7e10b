"""`kvsim goodput`: the highest rate of requests that meets the SLO."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Changes, Json, Seed, TraceFile, TraceFormat

if TYPE_CHECKING:
    from kvsim.sweep.goodput import Goodput, Probe


def goodput(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a shipped scenario.")],
    attainment: Annotated[
        float, typer.Option(help="Share of requests that must be in time.")
    ] = 0.9,
    per_gpu: Annotated[
        bool, typer.Option("--per-gpu", help="Divide the rate by the GPUs.")
    ] = False,
    replications: Annotated[
        int, typer.Option(min=1, metavar="N", help="Search with N seeds; gives a 95 % interval.")
    ] = 1,
    trace: TraceFile = None,
    format: TraceFormat = None,
    changes: Changes = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Search for the highest rate at which the SLO is attained."""
    from kvsim.scenario import load
    from kvsim.sweep.goodput import goodput as search

    asked = load(scenario, changes or (), trace, format, seed)
    found = search(asked, attainment, replications, _quiet if json else _tell)
    if json:
        print_json(_whole(found, attainment))
        return
    _show(found, attainment, asked.name, per_gpu)


def _tell(probe: "Probe") -> None:
    how = ", seen early" if probe.early else f" {probe.attainment:.1%}"
    err().print(
        f"  {probe.factor:8.3f} x rate: {'met' if probe.met else 'missed'}{how}", markup=False
    )


def _whole(found: "Goodput", wanted: float) -> dict[str, Any]:
    return {
        "goodput_rps": found.rate,
        "goodput_rps_per_gpu": found.per_gpu,
        "rate_factor": found.factor,
        "gpus": found.gpus,
        "wanted": wanted,
        "attainment": found.attainment,
        "confidence": list(found.confidence) if found.confidence else None,
        "probes": [probe._asdict() for probe in found.probes],
        "summary": found.summary,
    }


def _show(found: "Goodput", wanted: float, name: str, per_gpu: bool) -> None:
    console = out()
    share = 1 / found.gpus if per_gpu else 1.0
    unit = "requests/s per GPU" if per_gpu else "requests/s"
    text = f"[bold]{name}[/]  {found.rate * share:.4g} {unit} with {wanted:.0%} in time"
    if found.confidence:
        low, high = (value * share for value in found.confidence)
        text += f", 95 % interval {low:.4g} to {high:.4g}"
    console.print(text)
    console.print(
        f"{found.factor:.3f} times the scenario's rate · {found.gpus} GPUs · attainment there "
        f"{found.attainment:.1%} · {len(found.probes)} runs"
    )


def _quiet(probe: "Probe") -> None:
    """With --json nothing but the answer is told."""
