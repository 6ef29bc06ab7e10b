"""`kvsim hardware`: GPUs, hosts, drives and ports, each number with the place it was read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from kvsim.hardware import GPU

app = typer.Typer(no_args_is_help=True, help="Hardware: what it holds, moves, computes and costs.")

UNITS: dict[str, tuple[float, str]] = {
    "bandwidth": (1e9, "GB/s"),
    "capacity": (1e12, "TB"),
    "efficiency": (0.01, "%"),
    "endurance": (1e15, "PB written"),
    "flops": (1e12, "TFLOP/s"),
    "l2": (2**20, "MiB"),
    "latency": (1e3, "us"),
    "memory": (2**30, "GiB"),
    "power": (1, "W"),
    "price": (1, "USD/h"),
    "read": (1e9, "GB/s"),
    "read_iops": (1e3, "k reads/s"),
    "read_latency": (1e3, "us"),
    "visible": (2**30, "GiB"),
    "warranty": (86_400e9, "days"),
    "write": (1e9, "GB/s"),
    "write_iops": (1e3, "k writes/s"),
    "write_latency": (1e3, "us"),
}
"""How people read each field: by how much it is divided, and the unit that leaves."""


@app.command("list")
def list_hardware(json: Json = False) -> None:
    """Everything in the catalogue: GPUs, hosts, drives, ports."""
    from kvsim import hardware

    cards = [hardware.gpu(name) for name in hardware.gpus()]
    hosts = [hardware.host(name) for name in hardware.hosts()]
    drives = [hardware.drive(name) for name in hardware.drives()]
    nics = [hardware.nic(name) for name in hardware.nics()]
    if json:
        groups: dict[str, list[Any]] = {
            "gpus": [*cards],
            "hosts": [*hosts],
            "drives": [*drives],
            "nics": [*nics],
        }
        print_json({kind: [_plain(one) for one in group] for kind, group in groups.items()})
        return
    console = out()
    console.print(_gpus(cards))
    table = _table("host", "DRAM GiB", "GB/s", "cores", "NUMA", "GPUs")
    for host in hosts:
        fields = ("memory", "bandwidth", "cores", "numa", "gpus")
        table.add_row(host.name, *(_in(field, getattr(host, field)) for field in fields))
    console.print(table)
    table = _table("drive", "TB", "read GB/s", "write GB/s", "k reads/s", "read us", "DWPD")
    for drive in drives:
        fields = ("capacity", "read", "write", "read_iops", "read_latency")
        row = [_in(field, getattr(drive, field)) for field in fields]
        days = drive.writes_per_day
        table.add_row(drive.name, *row, "-" if days is None else f"{days:.1f}")
    console.print(table)
    table = _table("port", "GB/s", "payload GB/s", "latency us")
    for nic in nics:
        row = [_in("bandwidth", speed) for speed in (nic.bandwidth, nic.link.payload)]
        table.add_row(nic.name, *row, _in("latency", nic.latency))
    console.print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name, or the path of a file.")],
    json: Json = False,
) -> None:
    """One GPU, host, drive or port: every number with its source."""
    from kvsim.hardware.devices import device

    kind, one = device(name)
    residuals = _residuals(one.name) if kind == "gpu" else []
    if json:
        known = {"residuals": residuals} if kind == "gpu" else {}
        known |= _measured(one.name)
        print_json({"kind": kind, **_plain(one), **known})
        return
    console = out()
    console.print(f"[bold]{one.name}[/]  {one.title}")
    console.print(*_numbers(one), sep="\n")
    if kind == "gpu":
        if measured := _measured(one.name):
            console.print(_compared(one, measured["measured"]))
        console.print(accuracy(one.name, residuals))
        console.print(_silicon(one.name))


def _numbers(one: Any) -> "tuple[Table, Table]":
    """The numbers, each with the mark of its source, and the sources by mark."""
    from rich.table import Table

    marks = {
        source: str(mark) for mark, source in enumerate(dict.fromkeys(one.sources.values()), 1)
    }
    numbers, sources = (
        _table("", "value", "source"),
        Table(box=None, show_header=False, pad_edge=False),
    )
    for field, source in one.sources.items():
        numbers.add_row(field, _value(one, field), marks[source])
    for source, mark in marks.items():
        sources.add_row(f"{mark}.", source)
    return numbers, sources


def _gpus(cards: "list[GPU]") -> "Table":
    table = _table("GPU", "memory GiB", "GB/s", "16-bit TFLOP/s", "fp8 TFLOP/s", "USD/h")
    for card in cards:
        fp8 = card.flops.get("fp8")
        table.add_row(
            card.name,
            _in("memory", card.memory),
            _in("bandwidth", card.bandwidth),
            _in("flops", card.peak(16)),
            "-" if fp8 is None else _in("flops", fp8),
            "-" if card.price is None else f"{card.price:.2f}",
        )
    return table


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(columns[0], box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _in(field: str, value: float) -> str:
    """A number in the unit people read it in, without the unit."""
    scale, _ = UNITS.get(field, (1, ""))
    number = value / scale
    return f"{number:,.0f}" if number >= 1000 or number == int(number) else f"{number:,.4g}"


def _value(one: Any, field: str) -> str:
    """The number of a dotted field, with its unit."""
    group, _, part = field.partition(".")
    found = getattr(one, group)
    if part:
        found = found[part] if group == "flops" else getattr(found, part)
    if isinstance(found, tuple):
        return ", ".join(f"{depth}: {speed:,.0f}/s" for depth, speed in found)
    name = group if group == "flops" else part or group
    return f"{_in(name, found)} {UNITS.get(name, (1, ''))[1]}".strip()


def _plain(one: Any) -> dict[str, Any]:
    """A device as JSON: bytes, bytes per second, FLOP/s, ns, watts, US dollars per hour."""
    from dataclasses import asdict

    return asdict(one)


def _residuals(gpu: str) -> list[dict[str, Any]]:
    from kvsim.calibration.residuals import residuals

    return [one._asdict() for one in residuals(gpu)]


def _measured(name: str) -> dict[str, Any]:
    """What a calibration file says that its devices reached."""
    from kvsim.hardware.shelf import JSON, read_json

    if not name.endswith(JSON):
        return {}
    return {"measured": read_json(Path(name)).get("measured", {})}


NEIGHBOURS = 3


def _compared(one: Any, measured: dict[str, float]) -> "Table":
    """What was reached, by the data sheet, and beside the GPUs with the nearest bandwidth."""
    from kvsim import hardware

    cards = [hardware.gpu(name) for name in hardware.gpus()]
    near = sorted(cards, key=lambda card: abs(card.bandwidth / one.bandwidth - 1))[:NEIGHBOURS]
    table = _table("reached", "measured", "its sheet", *(f"{card.name}, sheet" for card in near))
    for name, value in measured.items():
        row = [_reached(name, value)]
        for card in (one, *near):
            sheet = _sheet(card, name)
            row.append("-" if sheet is None else f"{value / sheet:.0%} of {_reached(name, sheet)}")
        table.add_row(name, *row)
    return table


def _reached(name: str, value: float) -> str:
    if "times" in name:
        return f"{value:.2f}"
    field = "flops" if name.startswith("flops.") else "bandwidth"
    return f"{_in(field, value)} {UNITS[field][1]}"


def _sheet(card: "GPU", name: str) -> float | None:
    """What a data sheet promises for something measured."""
    if name.startswith("flops."):
        return card.flops.get(name.removeprefix("flops."))
    if name.startswith("bandwidth"):
        return card.bandwidth
    return None


def accuracy(gpu: str, residuals: list[dict[str, Any]]) -> "Table | str":
    """Errors of the calibration on points held back from it."""
    if not residuals:
        return f"\n{gpu} has no shipped calibration: step times come from the roofline."
    table = _table("held-back error by regime", "points", "mean", "p50", "p90", "worst")
    for one in residuals:
        errors = (f"{one[key]:.1%}" for key in ("mean", "p50", "p90", "worst"))
        table.add_row(one["regime"], f"{one['points']:,}", *errors)
    return table


def _silicon(gpu: str) -> str:
    """What timing silicon has of a GPU, by what is installed here."""
    from kvsim.calibration.baked import SYSTEMS, covered
    from kvsim.errors import InputError

    if gpu not in SYSTEMS:
        return f"timing silicon: {gpu} was not measured."
    try:
        engines = covered(gpu)
    except InputError:
        return f"timing silicon: {gpu} is covered once kvsim\\[silicon] is installed."
    return f"timing silicon: kernels under {', '.join(engines)}."
