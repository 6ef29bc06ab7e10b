"""`kvsim calibrate`: measure this machine, fit what was measured, write one file for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import err, out, print_json
from kvsim.cli.options import Json
from kvsim.errors import InputError

if TYPE_CHECKING:
    from kvsim.calibration.samples import Samples

INSTALL = "pip install 'kvsim[gpu]'"


def calibrate(
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")] = Path(
        "my-gpu.json"
    ),
    device: Annotated[str, typer.Option(help="cuda:0, cuda:1, ... or cpu.")] = "cuda:0",
    ssd: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Measure the drive of this folder too.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Coarser, in under two minutes.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="RAW", help="Fit these raw samples instead.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="The catalogue's GPU whose data sheet holds for this one.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure this machine's kernels, links, DRAM and drive, for `--set cluster.gpu=FILE`."""
    from kvsim.calibration.devices import known
    from kvsim.calibration.fitting import fit, save
    from kvsim.calibration.samples import read

    if to.suffix != ".json":
        raise InputError(f"--out {to}: the name of a calibration file ends in .json.")
    if like is not None and known(like) is None:
        raise InputError(f"--like: there is no GPU {like!r} in the catalogue.")
    raw = source or _measure(to, device, ssd, quick)
    samples = read(raw)
    if samples.device["kind"] == "gpu":
        like = known(like or samples.device["name"])
    file = fit(samples, like)
    save(file, to)
    _draw(samples, file, to)
    if json:
        print_json({key: file[key] for key in ("gpu", "origin", "measured", "residuals")})
        return
    _show(file, to)


def _measure(to: Path, device: str, ssd: Path | None, quick: bool) -> Path:
    """Run the benchmarks in a process of their own; returns where the raw samples are."""
    import subprocess
    import sys
    from importlib.util import find_spec

    if device != "cpu" and not (find_spec("torch") and find_spec("triton")):
        raise InputError(
            f"{device} is measured with torch and triton, which are not installed: {INSTALL}; or "
            "measure this machine's processor: kvsim calibrate --device cpu."
        )
    if ssd is not None and not ssd.is_dir():
        raise InputError(f"--ssd {ssd} is no folder.")
    raw = to.with_name(f"{to.stem}.raw.json")
    command = [sys.executable, "-m", "kvsim.kernels", "--out", str(raw), "--device", device]
    command += ["--quick"] if quick else []
    command += ["--ssd", str(ssd)] if ssd is not None else []
    code = subprocess.run(command).returncode
    if code or not raw.is_file():
        raise InputError(f"measuring ended with code {code}; run it again and it goes on.")
    raw.with_name(f"{raw.name}.parts").unlink(missing_ok=True)
    return raw


def _draw(samples: "Samples", file: dict[str, Any], to: Path) -> None:
    from kvsim.calibration.scatter import draw, pairs
    from kvsim.calibration.table import parse
    from kvsim.hardware import gpu

    picture = draw(file["gpu"], pairs(samples, parse(file), gpu(str(to))))
    to.with_suffix(".svg").write_text(picture, encoding="utf-8")


def _show(file: dict[str, Any], to: Path) -> None:
    from kvsim.cli.hardware import accuracy

    console, origin = out(), file["origin"]
    console.print(f"[bold]{file['gpu']}[/]  {origin['kernels']}")
    rows = [dict(zip(("regime", "points", "mean", "p50", "p90", "worst"), row, strict=True))
            for row in file["residuals"]]  # fmt: skip
    console.print(accuracy(file["gpu"], rows))
    if origin["failed"]:
        err().print(f"{origin['failed']} points failed; their errors are in {to}.")
    if origin["unsteady"]:
        err().print(
            f"{origin['unsteady']} of {origin['points']} points vary by more than a factor of two: "
            "something else was running. Measure again on a quiet machine."
        )
    console.print(
        f"{to}, and {to.with_suffix('.svg').name} of measured against fitted. Use it:\n"
        f"  kvsim run SCENARIO --set cluster.gpu={to}\n  kvsim hardware show {to}"
    )
    parts = [kind for kind in ("host", "drive") if kind in file["devices"]]
    paths = {"host": "cluster.node.host", "drive": "cluster.tiers.ssd.device"}
    for kind in parts:
        console.print(f"  --set {paths[kind]}={to}   its {kind} too")
