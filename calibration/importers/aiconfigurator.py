"""Make `h100-sxm.json.gz` from the measured kernels of aiconfigurator-core (Apache-2.0, NVIDIA).

    python -m kvsim.calibration.importers.aiconfigurator FOLDER [OUT]

FOLDER holds `attention-vllm-*/`, `gemm-vllm-*/` and `nccl/*/` with their Parquet files. Kept are:
GEMMs in bf16 (torch, i.e. cuBLAS) and fp8 (vLLM's CUTLASS kernel, per-tensor scales) at aligned m,
as an engine pads its batches; attention in all head shapes, with bf16 and fp8 KV; collectives
of 16-bit values. Left out: block-scaled fp8 GEMMs, whose 60-90 µs at any small m are the host's
launch time, not the GPU's; fp8 GEMMs at m+1 are up to twice as slow and left out, too.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.calibration import holdback, residuals
from kvsim.calibration.residuals import Held
from kvsim.calibration.table import FORMAT, SHIPPED, Heads
from kvsim.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PROVENANCE = {
    "origin": "aiconfigurator-core 0.12.0 (PyPI), systems/data/h100_sxm",
    "version": "0.12.0",
    "licence": "Apache-2.0",
    "copyright": "Copyright (c) 2026 NVIDIA CORPORATION & AFFILIATES",
    "device": "NVIDIA H100 80GB HBM3",
    "framework": "vLLM 0.24.0 (GEMM, attention), NCCL 2.29.2 (collectives)",
    "date": "2026 (year of the copyright notice; the day of measurement is not recorded)",
    "changes": "selected, rounded to 4 digits, regrouped by shape; a part held back",
}
FORMS = {"bfloat16": "bf16", "fp8": "fp8"}
ALIGNED = 16
"""GEMM rows kept: up to this many, and its multiples."""
NCCL = "nccl/2.29.2/nccl_perf.parquet"
ELEMENT_BYTES = 2
"""`message_size` counts elements of `half`: as bytes it would exceed NVLink's bandwidth."""
OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "alltoall")
NS_PER_MS = 1_000_000


def build(folder: Path) -> dict[str, Any]:
    """The calibration document of an aiconfigurator H100 folder."""
    held: list[Held] = []
    decode = _frame(folder, "attention-*/generation_attention_perf.parquet")
    decode["length"] = decode.step + 1
    prefill = _frame(folder, "attention-*/context_attention_perf.parquet")
    prefill["length"] = prefill.isl
    document: dict[str, Any] = {
        "format": FORMAT,
        "gpu": "h100-sxm",
        "provenance": PROVENANCE,
        "gemm": _gemms(_frame(folder, "gemm-*/gemm_perf.parquet"), held),
        "decode": _attention(decode[decode.window_size == 0], held, residuals.decode),
        "prefill": _attention(prefill, held, residuals.prefill),
        "windowed_decode": list(_windowed(decode)),
        "collectives": _collectives(_frame(folder, NCCL), held),
    }
    document["held_back"] = {"rule": holdback.RULE, "points": len(held)}
    document["residuals"] = [r._asdict() for r in residuals.measure(document, held)]
    return document


def _frame(folder: Path, pattern: str) -> "DataFrame":
    from pandas import read_parquet

    found = sorted(folder.glob(pattern))
    if not found:
        raise InputError(f"{folder} holds no {pattern}: is it systems/data/h100_sxm?")
    return read_parquet(found[-1])


def _gemms(frame: "DataFrame", held: list[Held]) -> dict[str, Any]:
    aligned = frame[(frame.m <= ALIGNED) | (frame.m % ALIGNED == 0)]
    return {
        form: _gemm(aligned[aligned.gemm_dtype == name], form, held) for name, form in FORMS.items()
    }


def _gemm(frame: "DataFrame", form: str, held: list[Held]) -> dict[str, Any]:
    ms, ns, ks = (sorted(int(v) for v in frame[axis].unique()) for axis in "mnk")
    medians = frame.groupby(["n", "k", "m"]).latency.median()
    times: list[list[list[int] | None]] = [[None] * len(ks) for _ in ns]
    for (n, k), shape in medians.groupby(level=["n", "k"]):
        row = [_short(shape[n, k, m]) for m in ms]
        if holdback.gemm(n, k, ns, ks):
            held += [residuals.gemm(form, m, n, k, t) for m, t in zip(ms, row, strict=True)]
        else:
            times[ns.index(n)][ks.index(k)] = row
    return {"kernel": str(frame.kernel_source.iloc[0]), "m": ms, "n": ns, "k": ks, "ns": times}


def _attention(frame: "DataFrame", held: list[Held], point: Any) -> list[dict[str, Any]]:
    keys = ["head_dim", "kv_cache_dtype", "window_size", "num_heads", "num_key_value_heads"]
    entries = []
    for head, (key, group) in enumerate(frame.groupby(keys)):
        dim, kv, window, query_heads, kv_heads = key
        heads = Heads(int(dim), FORMS[kv], int(window), int(query_heads), int(kv_heads))
        lengths = sorted(int(v) for v in group.length.unique())
        batches = sorted(int(v) for v in group.batch_size.unique())
        medians = group.groupby(["batch_size", "length"]).latency.median()
        rows = []
        for index, batch in enumerate(batches):
            row: list[int | None] = [_time(medians, batch, length) for length in lengths]
            out = holdback.batch(head, index, len(batches))
            for position, (length, ns) in enumerate(zip(lengths, row, strict=True)):
                if ns and (out or holdback.length(head, index, position, len(lengths))):
                    held.append(point(heads, batch, length, ns))
                    row[position] = None
            rows.append(_trimmed(row))
        kernel = str(group.kernel_source.iloc[0])
        grid = {"kernel": kernel, "batch": batches, "length": lengths, "ns": rows}
        entries.append(heads._asdict() | grid)
    return entries


def _time(medians: "Series[float]", batch: int, length: int) -> int | None:
    latency = medians.get((batch, length))
    return None if latency is None else _short(float(latency))


def _windowed(frame: "DataFrame") -> Iterator[dict[str, Any]]:
    """How much longer a full window takes than full attention to as many tokens: the median."""
    keys = ["num_heads", "num_key_value_heads", "batch_size", "length"]
    for (dim, kv, window), group in frame.groupby(["head_dim", "kv_cache_dtype", "window_size"]):
        if not window:
            continue
        alike = frame[(frame.head_dim == dim) & (frame.kv_cache_dtype == kv)]
        full = alike[alike.window_size == 0].set_index(keys).latency
        over = group[group.length > window].assign(length=window).set_index(keys).latency
        ratio = (over / full.reindex(over.index)).median()
        kind = {"head_dim": int(dim), "kv": FORMS[kv], "window": int(window)}
        yield kind | {"factor": round(float(ratio), 3)}


def _collectives(frame: "DataFrame", held: list[Held]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    frame = frame[frame.nccl_dtype == "half"]
    for operation in OPERATIONS:
        tables = found.setdefault(operation, {})
        for place, (gpus, group) in enumerate(
            frame[frame.op_name == operation].groupby("num_gpus")
        ):
            medians = group.groupby("message_size").latency.median().sort_index()
            sizes = [int(size) * ELEMENT_BYTES for size in medians.index]
            times: list[int | None] = [_short(float(latency)) for latency in medians]
            for index, (size, ns) in enumerate(zip(sizes, times, strict=True)):
                if operation == "all_reduce" and holdback.message(place, index, len(sizes)):
                    assert ns is not None
                    held.append(residuals.collective(operation, int(gpus), size, ns))
                    times[index] = None
            tables[str(gpus)] = {"bytes": sizes, "ns": times}
    return found


def _short(milliseconds: float) -> int:
    """Nanoseconds with four significant digits: more is noise and bytes."""
    return int(float(f"{milliseconds * NS_PER_MS:.4g}"))


def _trimmed(row: list[int | None]) -> list[int | None]:
    while row and row[-1] is None:
        row = row[:-1]
    return row


def main(arguments: list[str]) -> None:
    """Write the calibration file and print its residuals."""
    if not 1 <= len(arguments) <= 2:
        raise SystemExit(__doc__)
    out = Path(arguments[1]) if len(arguments) > 1 else SHIPPED / "h100-sxm.json.gz"
    document = build(Path(arguments[0]))
    text = json.dumps(document, separators=(",", ":"))
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    for entry in document["residuals"]:
        print(*entry.values(), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1:])
