"""`kvsim models`: the catalogue, and what follows from one model's layers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json

if TYPE_CHECKING:
    from kvsim.models import Layer, Model

app = typer.Typer(no_args_is_help=True, help="Model architectures: KV layout, sizes, products.")


@app.command("list")
def list_models(json: Json = False) -> None:
    """List the models of the catalogue."""
    from kvsim.models import model, names

    models = [model(name) for name in names()]
    if json:
        print_json({"models": [facts(each) for each in models]})
        return
    rows = (
        (
            each.name,
            count(each.parameters),
            count(each.active_parameters) if each.active_parameters < each.parameters else "",
            kinds(each),
            tokens(each.context),
            size(each.layout.bytes_per_token()),
        )
        for each in models
    )
    headers = ("model", "params", "active", "layers", "context", "KV/token")
    _print_table(headers, rows, left={"model", "layers"})
    out().print("KV bytes per token: bf16, before windows saturate. `kvsim models show NAME`.")


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A name of the catalogue, or a config.json.")],
    json: Json = False,
) -> None:
    """Show what a model stores and computes."""
    from kvsim.models import model

    found = model(name)
    if json:
        print_json(facts(found))
        return
    console = out()
    console.print(f"[bold]{found.name}[/bold]  {found.title}", soft_wrap=True)
    for label, value in _lines(found):
        console.print(f"  {label:<20}{value}", soft_wrap=True)
    _print_table(*_layers(found.layers))
    _print_table(*_products(found), left={"product", "rows"})


def facts(model: "Model") -> dict[str, Any]:
    """What `--json` says of a model. Bytes at bf16, on one GPU."""
    return {
        "name": model.name,
        "title": model.title,
        "source": model.source,
        "context": model.context,
        "vocabulary": model.vocabulary,
        "hidden": model.hidden,
        "kv_bytes_per_token": model.layout.bytes_per_token(),
        "state_bytes": model.layout.state_bytes(),
        "weights_bytes": model.weights_bytes(),
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "layers": model.layout.kinds(),
    }


def count(number: int) -> str:
    """A number of parameters for people: `8.03 B`."""
    for unit, factor in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"
    return str(number)


def size(number: int) -> str:
    """Bytes for people: `128 KiB`."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}".replace(".0 ", " ")
    return f"{number} B"


def tokens(number: int) -> str:
    """A length for people: `128k`."""
    for unit, factor in (("M", 2**20), ("k", 2**10)):
        if number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)


def kinds(model: "Model") -> str:
    """How many layers are of which kind: `21 window, 21 full`."""
    many = Counter(model.layout.kinds())
    return ", ".join(f"{number} {kind}" for kind, number in many.items())


def _lines(model: "Model") -> Iterable[tuple[str, str]]:
    layout = model.layout
    yield "source", model.source
    yield "parameters", count(model.parameters)
    if model.active_parameters < model.parameters:
        yield "active per token", count(model.active_parameters)
    yield "weights, bf16", size(model.weights_bytes())
    yield "context", tokens(model.context)
    yield "KV per token, bf16", size(layout.bytes_per_token())
    yield "kept, full context", size(layout.bytes(model.context))
    if layout.state_bytes():
        yield "state per sequence", size(layout.state_bytes())
    yield "products per token", f"{model.token_flops() / 1e9:,.1f} GFLOP"
    yield "LM head per row", f"{model.head_flops() / 1e9:,.1f} GFLOP"


def _layers(layers: "tuple[Layer, ...]") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    headers = ("layers", "kind", "Q heads", "KV heads", "K width", "V width", "window", "state")
    rows = []
    alike = Counter(replace(layer, shares=None) for layer in layers)
    for layer, many in alike.items():
        sizes = (layer.query_heads, layer.kv_heads, layer.key_width, layer.value_width)
        window, state = layer.window or "", layer.state or ""
        rows.append((str(many), layer.kind, *(str(n or "") for n in (*sizes, window, state))))
    return headers, rows


def _products(model: "Model") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    headers = ("product", "n", "k", "times", "rows", "experts", "visited")
    rows: list[tuple[str, ...]] = [
        (
            product.name,
            str(product.n),
            str(product.k),
            str(product.times),
            product.rows,
            str(product.experts or ""),
            str(product.active or ""),
        )
        for product in model.matmuls()
    ]
    return headers, rows


def _print_table(
    headers: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    left: Iterable[str] = ("kind",),
) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for header in headers:
        table.add_column(header, justify="left" if header in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = out()
    console.print()
    console.print(table)
