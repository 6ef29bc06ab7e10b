"""`kvsim trace`: look into trace files, rewrite them, and write synthetic ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table


app = typer.Typer(no_args_is_help=True, help="Look into traces, convert them, generate new ones.")

File = Annotated[Path, typer.Argument(help="A trace file, plain or gzip.")]
Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="The file to write; gzip if it ends with .gz.")
]
Format = Annotated[str | None, typer.Option("--format", help="Its format, if it is not plain.")]
Form = Annotated[str, typer.Option("--to", help="mooncake keeps everything; vidur is CSV.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
KINDS = ("sessions", "open_loop", "closed_loop")
"""Workloads that are generated, as a scenario names them."""


@app.command("formats")
def list_formats(json: Json = False) -> None:
    """Trace formats that are read."""
    from kvsim.cli.console import out, print_json
    from kvsim.traces.discovery import formats

    summaries = {name: reader.summary for name, reader in formats().items()}
    if json:
        print_json(summaries)
        return
    table = _table("format", "what it is")
    for name, summary in summaries.items():
        table.add_row(name, summary)
    out().print(table)


@app.command("inspect")
def inspect_trace(file: File, format: Format = None, json: Json = False) -> None:
    """What a trace is like: rates, lengths, reuse, sessions. Arrivals as recorded, not spread."""
    from kvsim.cli.console import print_json
    from kvsim.traces.discovery import format_of
    from kvsim.traces.inspect import statistics
    from kvsim.traces.trace import recorded

    reader = format_of(file, format)
    found = statistics(recorded(file, reader.name), reader.times)
    facts = {"file": str(file), "format": reader.name, **found}
    if json:
        print_json(facts)
    else:
        _show(facts)


@app.command("convert")
def convert(
    file: File,
    to_file: Out,
    format: Format = None,
    to: Form = "mooncake",
    every: Annotated[
        str | None,
        typer.Option(help="Time between arrivals, or starts of sessions, that are not recorded."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows to take.")] = None,
) -> None:
    """Rewrite a trace in another format. The first arrival moves to 0; ticks are not spread."""
    from itertools import count, islice

    from kvsim.cli.console import err
    from kvsim.traces.reader import Turn
    from kvsim.traces.trace import Trace, open_trace
    from kvsim.traces.write import save
    from kvsim.units import duration

    starts = None if every is None else count(0, duration(every))
    workload = open_trace(file, format, spread=False, arrivals=starts)
    turns = workload.rows() if isinstance(workload, Trace) else map(Turn, workload.arrivals())
    rows = save(islice(turns, limit), to_file, to)
    err().print(f"{to_file}: {rows:,} requests")


@app.command("generate")
def generate(
    spec: Annotated[
        Path, typer.Argument(help="YAML with one of sessions, open_loop, closed_loop.")
    ],
    to_file: Out,
    seed: Annotated[int, typer.Option(help="Another seed, another trace.")] = 1,
    to: Form = "mooncake",
    limit: Annotated[int | None, typer.Option(min=1, help="Requests to write at most.")] = None,
) -> None:
    """Write a synthetic trace. Next turns come as if the server answered at once."""
    kind, fields = _spec(spec)

    from kvsim.cli.console import err
    from kvsim.traces.generators import workload
    from kvsim.traces.reader import Turn
    from kvsim.traces.write import ideal, save

    rows = save(map(Turn, ideal(workload(kind, fields, seed), limit)), to_file, to)
    err().print(f"{to_file}: {rows:,} requests")


def _spec(path: Path) -> tuple[str, dict[str, Any]]:
    import yaml

    from kvsim.errors import InputError, perhaps

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as refusal:
        raise InputError(f"{path} cannot be read: {refusal}.") from None
    except yaml.YAMLError as fault:
        raise InputError(f"{path} is not YAML: {fault}") from None
    if isinstance(found, dict) and isinstance(found.get("workload"), dict):
        found = found["workload"]  # a whole scenario will do
    if not isinstance(found, dict) or len(found) != 1:
        raise InputError(
            f"{path}: write one workload: {', '.join(KINDS)}, and below it its fields."
        )
    kind, fields = next(iter(found.items()))
    if kind not in KINDS:
        raise InputError(f"{path}: {kind!r} is not generated.{perhaps(str(kind), KINDS)}")
    if not isinstance(fields, dict):
        raise InputError(f"{path}: {kind}: found {fields!r}, which is no mapping of its fields.")
    return kind, fields


def _show(facts: dict[str, Any]) -> None:
    from kvsim.cli.console import out

    console = out()
    console.print(f"{facts['file']} ({facts['format']})", soft_wrap=True)
    table = _table("", "")
    table.show_header = False
    for name, value in _lines(facts):
        table.add_row(name, value)
    console.print(table)
    table = _table("tokens", "mean", "p50", "p90", "p99", "max")
    for name, field in (("input", "input_tokens"), ("output", "output_tokens")):
        if facts[field]:
            table.add_row(name, *(f"{value:,.0f}" for value in facts[field].values()))
    console.print(table)


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known, a name and words each."""
    yield "requests", f"{facts['requests']:,}"
    if facts["requests_per_s"] is not None:
        yield "span", f"{facts['span_s']:,.0f} s"
        yield "rate", f"{facts['requests_per_s']:.2f}/s"
        yield "gaps", f"coefficient of variation {facts['cv']:.2f}"
    if facts.get("peak") is not None:
        yield "peak", f"busiest 10 s: {facts['peak']:.2f} times the mean"
    if blocks := facts["blocks"]:
        yield "block", f"{' and '.join(map(str, blocks['block_tokens']))} tokens"
        yield "blocks", f"{blocks['asked']:,} asked for, {blocks['unique']:,} unique"
        yield "used once", f"{blocks['used_once']:.1%} of the unique ones"
        yield from _percentiles("reused after", blocks["reuse_s"])
    for name, member in (("sessions", "turns"), ("clients", "requests")):
        if groups := facts[name]:
            shares = ", ".join(f"{key} {value:,}" for key, value in groups[member].items())
            yield name, f"{groups['count']:,}; {member} each: {shares}"
    if chains := facts["chains"]:
        yield "chains", f"{chains['extending']:.0%} extend another; longest {chains['longest']}"
        yield from _percentiles("extended after", chains["gap_s"])
    yield from _percentiles("think time", facts["think_s"])
    yield from _percentiles("service time", facts["service_s"])


def _percentiles(name: str, values: dict[str, float] | None) -> Iterator[tuple[str, str]]:
    if values:
        yield name, ", ".join(f"{key} {value:,.1f} s" for key, value in values.items())


def _table(*columns: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place and len(columns) > 2 else "left")
    return table
