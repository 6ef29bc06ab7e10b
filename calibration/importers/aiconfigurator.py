"""aiconfigurator-core's kernel tables (Apache-2.0, NVIDIA) as a calibration of one GPU.

    python -m kvsim.calibration.importers.aiconfigurator FOLDER GPU calibration/h100-sxm.json.gz

FOLDER holds `attention-*/`, `gemm-*/` and `nccl/` with their Parquet files. Points are medians over
repetitions. Of the row counts m only those that kernels are built for are kept: m + 1 of an aligned
m is a different, slower kernel, which engines avoid by padding.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.calibration.importers.write import finish
from kvsim.calibration.table import UNIT

if TYPE_CHECKING:
    import pandas as pd

BITS = {"bfloat16": 16, "fp8": 8}
UNALIGNED_FROM = 16
"""Row counts above this are kept only when even: the tables hold pairs m, m + 1."""
NS_PER_MS = 1e6
NCCL_ELEMENT_BYTES = 2
"""`message_size` counts elements of half precision (as bytes, 8 GPUs would reach 222 GB/s only)."""


def read(folder: Path) -> "dict[str, pd.DataFrame]":
    """The four tables; raises FileNotFoundError when one is missing."""
    import pandas as pd

    def one(pattern: str) -> "pd.DataFrame":
        found = sorted(folder.glob(pattern))
        if not found:
            raise FileNotFoundError(f"{folder} has no {pattern}")
        return pd.read_parquet(found[-1])

    return {
        "gemm": one("gemm-*/gemm_perf.parquet"),
        "prefill": one("attention-*/context_attention_perf.parquet"),
        "decode": one("attention-*/generation_attention_perf.parquet"),
        "nccl": one("nccl/*/nccl_perf.parquet"),
    }


def tables(data: "dict[str, pd.DataFrame]", gpu: str) -> dict[str, Any]:
    """The file's JSON, without residuals."""
    first = data["gemm"].iloc[0]
    return {
        "format": 1,
        "gpu": gpu,
        "origin": {
            "package": "aiconfigurator-core 0.12.0 (PyPI), systems/data/h100_sxm",
            "licence": "Apache-2.0, NVIDIA CORPORATION & AFFILIATES",
            "device": str(first["device"]),
            "framework": f"{first['framework']} {first['version']}",
            "kernels": "torch linear (bf16), CUTLASS scaled_mm (fp8), FlashAttention 3 and 4, NCCL",
        },
        "gemm": {str(bits): _gemm(data["gemm"], dtype) for dtype, bits in BITS.items()},
        "prefill_attention": _prefill(data["prefill"]),
        "decode_attention": _decode(data["decode"]),
        "all_reduce": _all_reduce(data["nccl"]),
        "residuals": [],
    }


def _units(ms: float) -> int:
    return round(ms * NS_PER_MS / UNIT)


def _gemm(frame: "pd.DataFrame", dtype: str) -> dict[str, Any]:
    frame = frame[frame["gemm_dtype"] == dtype]
    frame = frame[(frame["m"] <= UNALIGNED_FROM) | (frame["m"] % 2 == 0)]
    grid = frame.groupby(["n", "k", "m"])["latency"].median().unstack("m")
    m, n, k = (sorted(int(v) for v in frame[axis].unique()) for axis in "mnk")
    whole = grid.dropna()
    shapes = {
        (int(i), int(j)): row for (i, j), row in zip(whole.index, whole[m].values, strict=True)
    }
    times = [[_units(ms) for ms in shapes[i, j]] if (i, j) in shapes else [] for i in n for j in k]
    return {"m": m, "n": n, "k": k, "time": times}


def _heads(frame: "pd.DataFrame") -> "list[tuple[list[int], pd.DataFrame]]":
    axes = ["num_heads", "num_key_value_heads", "head_dim", "kv_cache_dtype", "window_size"]
    found = []
    for key, part in frame.groupby(axes, sort=True):
        q, kv, width, dtype, window = map(str, key)
        found.append(([int(q), int(kv), int(width), BITS[dtype], int(window)], part))
    return found


def _prefill(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """One sequence alone; and the least time per sequence over all batch sizes."""
    found = []
    for head, part in _heads(frame):
        alone = part[part["batch_size"] == 1].groupby("isl")["latency"].median()
        if len(alone) < 2:
            continue
        share = (part["latency"] / part["batch_size"]).groupby(part["isl"]).min()
        found.append({"head": head, "alone": _pair(alone), "shared": _pair(share)})
    return found


def _decode(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """`step` tokens are stored and one is added: the kernel reads step + 1."""
    found = []
    for head, part in _heads(frame):
        rows = {}
        for batch, row in part.groupby("batch_size"):
            series = row.groupby(row["step"] + 1)["latency"].median()
            if len(series) > 1:
                rows[str(batch)] = _pair(series)
        if len(rows) > 1:
            found.append({"head": head, "batch": rows})
    return found


def _all_reduce(frame: "pd.DataFrame") -> dict[str, Any]:
    frame = frame[(frame["op_name"] == "all_reduce") & (frame["nccl_dtype"] == "half")]
    return {
        str(gpus): _pair(
            part.groupby(part["message_size"] * NCCL_ELEMENT_BYTES)["latency"].median()
        )
        for gpus, part in frame.groupby("num_gpus")
    }


def _pair(series: "pd.Series[float]") -> list[list[int]]:
    return [[int(at) for at in series.index], [_units(ms) for ms in series.values]]


def main() -> None:
    """Make a calibration with its held-back residuals."""
    folder, gpu, path = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    finish(tables(read(folder), gpu), path)


if __name__ == "__main__":
    main()
