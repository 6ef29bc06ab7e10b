"""aiconfigurator-core's kernel tables (Apache-2.0, NVIDIA) as a calibration of one GPU.

    python -m kvsim.calibration.importers.aiconfigurator DATA SYSTEM ENGINE GPU FILE

DATA is the folder `aiconfigurator_core/systems/data` of the installed package; SYSTEM one of its
folders, such as `h200_sxm`; ENGINE vllm, sglang or trtllm. Points are medians over repetitions. Of
the row counts m only those that kernels are built for are kept: m + 1 of an aligned m is a
different, slower kernel, which engines avoid by padding. An all-reduce is the engine's own or
NCCL's, whichever is sooner.
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.calibration.importers.write import finish
from kvsim.calibration.steps import DOWN
from kvsim.calibration.table import UNIT
from kvsim.errors import InputError
from kvsim.models.catalogue import model, names

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "aiconfigurator-core 0.12.0 (PyPI), systems/data"
BITS = {"bfloat16": 16, "fp8": 8}
WEIGHTS = {"bfloat16": 16, "fp8": 8, "nvfp4": 4}
"""Formats of products."""
EXPERTS = {"bfloat16": 16, "fp8": 8, "fp8_block": 8, "nvfp4": 4, "w4a16_mxfp4": 4, "int4_wo": 4}
"""Formats of experts; of two with as many bits, the sooner."""
ROUTING = "power_law_1.2"
"""How unevenly tokens are routed: aiconfigurator's default of the three that it measured."""
UNALIGNED_FROM = 16
"""Row counts above this are kept only when even: the tables hold pairs m, m + 1."""
NS_PER_MS = 1e6
NCCL_ELEMENT_BYTES = 2
"""`message_size` counts elements of half precision (as bytes, 8 GPUs would reach 222 GB/s only)."""
FUSING = "trtllm"
"""Its products in fp8 were timed with the kernels that quantise their input, some 7 us that the
engine fuses with the norm before; vLLM's are taken."""
NEEDED = ("gemm", "prefill", "decode")
TENSORS = (1, 2, 4, 8)
"""Ranks whose share of experts is taken over."""


def read(folder: Path, backend: str = "vllm") -> "dict[str, pd.DataFrame]":
    """The newest tables of a system, by what they time; those that are missing are left out.

    Of experts, those timed with the products: TensorRT-LLM's newest hold a few shapes only.

    A folder with `gemm-*/`, `attention-*/` and `nccl/` of one framework will do too. Raises
    InputError where even products or attention are missing.
    """
    import pandas as pd

    where = {
        "gemm": ("gemm", "gemm_perf"),
        "prefill": ("attention", "context_attention_perf"),
        "decode": ("attention", "generation_attention_perf"),
        "reduce": ("comm", "custom_allreduce_perf"),
        "experts": ("moe", "moe_perf"),
    }
    patterns = {
        name: (f"{group}/{backend}/*/{table}.parquet", f"{group}-*/{table}.parquet")
        for name, (group, table) in where.items()
    }
    patterns["nccl"] = ("comm/nccl/*/nccl_perf.parquet", "nccl/*/nccl_perf.parquet")
    found: dict[str, pd.DataFrame] = {}
    for name, places in patterns.items():
        files = sorted((file for place in places for file in folder.glob(place)), key=_version)
        if name == "experts":
            version = str(found["gemm"].iloc[0]["version"])
            files = [file for file in files if file.parent.name == version] or files
        if files:
            found[name] = pd.read_parquet(files[-1])
        elif name in NEEDED:
            raise InputError(f"{folder} has no {places[0]}: nothing was measured there.")
    if backend == FUSING:
        found["gemm"] = pd.concat([
            found["gemm"][found["gemm"]["gemm_dtype"] != "fp8"],
            read(folder)["gemm"].query("gemm_dtype == 'fp8'"),
        ])  # fmt: skip
    return found


def _version(path: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", path.parent.name)]


def tables(data: "dict[str, pd.DataFrame]", gpu: str, system: str) -> dict[str, Any]:
    """The file's JSON, without residuals."""
    first = data["gemm"].iloc[0]
    return {
        "format": 1,
        "gpu": gpu,
        "origin": {
            "package": f"{PACKAGE}/{system}",
            "licence": "Apache-2.0, NVIDIA CORPORATION & AFFILIATES",
            "device": str(first["device"]),
            "framework": f"{first['framework']} {first['version']}",
            "kernels": "products, attention and experts as the framework runs them; NCCL",
        },
        "gemm": {
            str(bits): _gemm(data["gemm"], dtype)
            for dtype, bits in WEIGHTS.items()
            if (data["gemm"]["gemm_dtype"] == dtype).any()
        },
        "prefill_attention": _prefill(data["prefill"]),
        "decode_attention": _decode(data["decode"]),
        "all_reduce": _all_reduce(data),
        "experts": _experts(data["experts"]) if "experts" in data else [],
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
    if "window_size" not in frame:
        frame = frame.assign(window_size=0)
    found = []
    for key, part in frame.groupby(axes, sort=True):
        q, kv, width, dtype, window = map(str, key)
        if dtype in BITS:
            found.append(([int(q), int(kv) or int(q), int(width), BITS[dtype], int(window)], part))
    return found


def _prefill(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """One sequence alone; and the least time per sequence over all batch sizes."""
    found = []
    for head, part in _heads(frame):
        alone = part[part["batch_size"] == 1].groupby("isl")["latency"].median()
        if len(alone) < 2:
            continue
        share = (part["latency"] / part["batch_size"]).groupby(part["isl"]).min()
        both = alone.index.intersection(share.index)
        found.append({"head": head, "alone": _pair(alone), "shared": _pair(share[both])})
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


def _all_reduce(data: "dict[str, pd.DataFrame]") -> dict[str, Any]:
    """NCCL's, and the engine's own under CUDA graphs where that is sooner."""
    import pandas as pd

    parts = []
    if "nccl" in data:
        nccl = data["nccl"]
        parts.append(nccl[(nccl["op_name"] == "all_reduce") & (nccl["nccl_dtype"] == "half")])
    if "reduce" in data:
        own = data["reduce"]
        graphs = own["kernel_source"].str.contains("eager")
        parts.append(own[~graphs])
    if not parts:
        return {}
    frame = pd.concat([part[["num_gpus", "message_size", "latency"]] for part in parts])
    frame = frame.assign(bytes=frame["message_size"] * NCCL_ELEMENT_BYTES)
    return {
        str(gpus): _pair(part.groupby("bytes")["latency"].min())
        for gpus, part in frame.groupby("num_gpus")
    }


def _experts(frame: "pd.DataFrame") -> list[list[Any]]:
    """[bits, hidden, width of an expert on a rank, active, experts, times by tokens]."""
    shapes = _catalogue_experts()
    frame = frame[(frame["moe_ep_size"] == 1) & (frame["distribution"] == ROUTING)]
    frame = frame[frame["moe_dtype"].isin(EXPERTS)]
    frame = frame.assign(
        bits=frame["moe_dtype"].map(EXPERTS), width=frame["inter_size"] // frame["moe_tp_size"]
    )
    found = []
    for key, part in frame.groupby(["bits", "hidden_size", "width", "topk", "num_experts"]):
        bits, hidden, width, active, experts = (int(str(one)) for one in key)
        if (hidden, width, active, experts) in shapes:
            row = _pair(part.groupby("num_tokens")["latency"].min())
            found.append([bits, hidden, width, active, experts, row])
    return found


def _catalogue_experts() -> set[tuple[int, int, int, int]]:
    """Hidden size, width of an expert on a rank, active and all experts, of known models."""
    found = set()
    for name in names():
        kind = model(name)
        for tensor in TENSORS:
            for product in kind.matmuls(tensor):
                if product.name == DOWN:
                    found.add((kind.hidden, product.k, product.active, product.experts))
    return found


def _pair(series: "pd.Series[float]") -> list[list[int]]:
    return [[int(at) for at in series.index], [_units(ms) for ms in series.values]]


def main() -> None:
    """Make a calibration with its held-back residuals."""
    data, system, engine, gpu, path = sys.argv[1:6]
    finish(tables(read(Path(data) / system, engine), gpu, system), Path(path))


if __name__ == "__main__":
    main()
