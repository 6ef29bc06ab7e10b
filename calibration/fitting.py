"""A calibration file from the raw samples of one machine: tables, devices, residuals, samples.

The tables are those of `kvsim.calibration.table`, so that `fitted` timing takes them. The file also
describes the devices (`kvsim.hardware` reads them from it): a GPU of the catalogue keeps its data
sheet and gets the measured link; any other is described by what was measured alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvsim.calibration.devices import devices
from kvsim.calibration.importers.write import Points, points
from kvsim.calibration.samples import Sample, Samples
from kvsim.calibration.table import parse
from kvsim.errors import InputError

BITS = {"bf16": 16, "fp8": 8}
"""What stands for a weight of so many bits."""
KV_BITS = {"bf16": 16, "fp8": 8, "int4": 4}
Heads = dict[tuple[int, ...], list[Sample]]
"""Samples by shape of the attention: query heads, KV heads, width, bits, window."""


def fit(samples: Samples, like: str | None) -> dict[str, Any]:
    """The file's JSON, without residuals. `like`: the GPU's name in the catalogue."""
    products = _products(samples)
    heads = _several(_heads(samples, "decode"), "batch")
    if not products or not heads:
        raise InputError(
            "The samples hold no products or no decode attention, without which no step has a "
            f"time. {len(samples.failed)} points failed{_first(samples)}."
        )
    told = samples.document
    return {
        "format": 1,
        "gpu": samples.device["name"],
        "origin": _origin(samples),
        "gemm": {},
        "gemm_shapes": products,
        "prefill_attention": [
            {"head": list(head), "alone": _points(rows, "tokens")}
            for head, rows in _several(_heads(samples, "prefill", history=0), "tokens").items()
        ],
        "decode_attention": [
            {"head": list(head), "batch": _by(rows, "batch", "context")}
            for head, rows in heads.items()
        ],
        "chunks": _chunks(samples),
        "all_reduce": _by(samples.of("peers", way="all_reduce"), "gpus", "size"),
        "residuals": [],
        "devices": devices(samples, like),
        "measured": summary(samples),
        "host": told["host"],
        "samples": compact(samples.rows),
    }


def save(file: dict[str, Any], path: Path) -> None:
    """Write the file, then add to it how far its look-ups are from points held back."""
    from kvsim.calibration.residuals import held_back

    _write(file, path)  # the roofline of its own device takes part in the look-ups
    table = replace(parse(file), gpu=str(path))
    file["residuals"] = [list(row) for row in held_back(table)]
    _write(file, path)


def _write(file: dict[str, Any], path: Path) -> None:
    import json

    parts = (f"{json.dumps(key)}:{json.dumps(part, separators=(',', ':'))}" for key, part
             in file.items())  # fmt: skip
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _first(samples: Samples) -> str:
    return f", the first with: {samples.failed[0]['error']}" if samples.failed else ""


def _origin(samples: Samples) -> dict[str, Any]:
    told = {key: value for key, value in samples.document.items() if key not in ("rows", "host")}
    library = samples.device.get("library")
    stands = {
        "numpy": "numpy's BLAS in float32 stands for 16-bit products and attention",
        "torch": "torch in bf16 on the processor, KV in one piece",
        None: "Triton kernels of kvsim and torch's products, bf16; times of calls in a CUDA graph",
    }
    return {
        "package": "measured by kvsim calibrate on this machine",
        "licence": "your own measurement",
        "kernels": stands[library],
        "points": len(samples.rows),
        "failed": len(samples.failed),
        "unsteady": len(samples.unsteady),
        **told,
    }


def _products(samples: Samples) -> dict[str, list[list[Any]]]:
    found = {}
    for form, bits in BITS.items():
        shapes: dict[tuple[int, int], list[Sample]] = defaultdict(list)
        for row in samples.of("gemm", form=form):
            shapes[row["n"], row["k"]].append(row)
        if shapes:
            found[str(bits)] = [[*shape, _points(rows, "m")] for shape, rows in shapes.items()]
    return found


def _heads(samples: Samples, group: str, **wanted: Any) -> Heads:
    found: dict[tuple[int, ...], list[Sample]] = defaultdict(list)
    for row in samples.of(group, **wanted):
        if row["form"] in KV_BITS:
            shape = (row["query_heads"], row["kv_heads"], row["width"])
            found[*shape, KV_BITS[row["form"]], 0].append(row)
    return found


def _several(found: Heads, axis: str) -> Heads:
    """Heads measured at two values of an axis at least: the time may have run out before."""
    return {head: rows for head, rows in found.items() if len({row[axis] for row in rows}) > 1}


def _chunks(samples: Samples) -> list[dict[str, Any]]:
    """Chunks after histories, for heads that have at least two of both."""
    found = []
    for head, rows in _heads(samples, "prefill").items():
        sizes: dict[int, list[Sample]] = defaultdict(list)
        for row in rows:
            sizes[row["tokens"]].append(row)
        whole = {size: _points(of, "history") for size, of in sorted(sizes.items()) if len(of) > 1}
        if len(whole) > 1:
            found.append({"head": list(head), "tokens": whole})
    return found


def _by(rows: Iterable[Sample], first: str, second: str) -> dict[str, Points]:
    found: dict[int, list[Sample]] = defaultdict(list)
    for row in rows:
        found[row[first]].append(row)
    return {str(at): _points(of, second) for at, of in sorted(found.items())}


def _points(rows: Iterable[Sample], axis: str) -> Points:
    return points(((row[axis], row["ns"]) for row in rows), 1.0)


def summary(samples: Samples) -> dict[str, float]:
    """What the device reached: bytes per second, FLOP/s. Beside the data sheet, for people."""
    gpu = samples.device["kind"] == "gpu"
    large = 4 * (samples.device.get("l2") or 1 << 26)
    found = {
        "bandwidth, read": samples.best("stream", large, way="read"),
        "bandwidth, write": samples.best("stream", large, way="write"),
        "bandwidth, copy": samples.best("stream", large, way="copy"),
        "DRAM, copy": samples.best("dram", way="copy"),
        "host to GPU": samples.best("links", 1 << 22, way="h2d", pinned=True, load="none"),
        "GPU to host": samples.best("links", 1 << 22, way="d2h", pinned=True, load="none"),
        "both directions": samples.best("links", 1 << 22, way="both", pinned=True, load="none"),
        "host to GPU, pageable": samples.best("links", 1 << 22, way="h2d", pinned=False),
        "drive, read": samples.best("disk", way="read"),
        "drive, write": samples.best("disk", way="write"),
    }
    for form in BITS if gpu else ("bf16",):
        rates = [row["flops"] / row["ns"] * 1e9 for row in samples.of("gemm", form=form)]
        found[f"flops.{form}"] = max(rates, default=None)
    found |= _interference(samples)
    return {name: value for name, value in found.items() if value is not None}


def _interference(samples: Samples) -> dict[str, float | None]:
    """By how much decoding and copying slow each other down."""
    alone = [row["ns"] for row in samples.of("links", way="none")]
    beside = [row["ns"] for row in samples.of("links", of="decode")]
    copy = samples.best("links", 1 << 22, way="h2d", pinned=True, load="none", blocks=16)
    loaded = samples.best("links", 1 << 22, way="h2d", pinned=True, load="decode")
    return {
        "decode beside copies, times as long": beside[0] / alone[0] if alone and beside else None,
        "copies beside decode, times as long": copy / loaded if copy and loaded else None,
    }


def compact(rows: list[Sample]) -> dict[str, Any]:
    """All samples, by group: names of the axes once, then a list of values for each point."""
    found: dict[str, Any] = {}
    for row in rows:
        names = [name for name in row if name != "group"]
        group = found.setdefault(row["group"], {})
        group.setdefault(" ".join(names), []).append([row[name] for name in names])
    return found
