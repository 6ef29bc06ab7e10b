"""`kvsim models`: the catalogue, and any Hugging Face config.json."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json

if TYPE_CHECKING:
    from kvsim.models import Model

app = typer.Typer(no_args_is_help=True, help="Models: what they store, compute and read.")


@app.command("list")
def list_models(json: Json = False) -> None:
    """Every model of the catalogue."""
    from rich.table import Table

    from kvsim.models import model, names

    found = [model(name) for name in names()]
    if json:
        print_json({"models": [_short(one) for one in found]})
        return
    table = Table("name", box=None, pad_edge=False)
    for column in ("parameters", "active", "KV/token", "context"):
        table.add_column(column, justify="right")
    for one in found:
        table.add_row(
            one.name,
            f"{one.parameters / 1e9:.1f} B",
            f"{one.active_parameters / 1e9:.1f} B",
            f"{one.layout.bytes_per_token() / 1024:,.1f} KiB",
            f"{one.context:,}",
        )
    out().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name, or the path of a config.json.")],
    json: Json = False,
) -> None:
    """One model: parameters, KV bytes, layers."""
    from rich.table import Table

    from kvsim.models import model

    one = model(name)
    if json:
        print_json({**_short(one), "source": one.source, "layers": one.layout.kinds()})
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, value in (
        ("model", one.title),
        ("source", one.source),
        (
            "parameters",
            f"{one.parameters / 1e9:,.2f} B, {one.active_parameters / 1e9:,.2f} B active",
        ),
        ("weights", f"{one.weights_bytes() / 1e9:,.1f} GB in bf16"),
        ("KV per token", f"{one.layout.bytes_per_token():,} bytes in bf16"),
        ("state per request", f"{one.layout.state_bytes():,} bytes in bf16"),
        ("context", f"{one.context:,} tokens"),
        ("layers", _runs(one)),
        ("FLOPs per token", f"{one.token_flops() / 1e9:,.1f} G, attention apart"),
    ):
        table.add_row(label, value)
    out().print(table)


def _short(one: "Model") -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "parameters": one.parameters,
        "active_parameters": one.active_parameters,
        "kv_bytes_per_token": one.layout.bytes_per_token(),
        "state_bytes": one.layout.state_bytes(),
        "weights_bytes": one.weights_bytes(),
        "context": one.context,
    }


def _runs(one: "Model") -> str:
    """The kinds of the layers: counts of each, and the order of the first ones."""
    from collections import Counter

    counted = Counter(layer.label for layer in one.layers)
    return ", ".join(f"{count} x {label}" for label, count in counted.items())
