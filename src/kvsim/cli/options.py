"""Options that several commands share."""

from typing import Annotated

import typer

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one value, as policies.eviction=lfu."),
]
TraceFile = Annotated[
    str | None, typer.Option("--trace", metavar="FILE", help="Replay this trace instead.")
]
TraceFormat = Annotated[
    str | None, typer.Option("--format", metavar="F", help="The trace's format; else detected.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of every random stream.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
