"""LLMServingSim's profiles of vLLM (MIT, CASYS KAIST) as a calibration of one GPU.

    python -m kvsim.calibration.importers.llmservingsim FOLDER GPU calibration/rtx-4090.json.gz

FOLDER is one variant of a model, such as `RTX4090/meta-llama/Llama-3.1-8B/bf16`, with `meta.yaml`
and `tp1/` (and `tp2/`), whose CSV files may be gzipped. Times are in us, of one layer; a rank of
tensor parallelism was profiled as a narrower model on one GPU, so there are no all-reduces.

Of attention of prompts together with decodes the steps whose chunk has no history are taken over,
as what the decodes add to the chunk alone; how well that agrees with all the others is a residual.
Of uneven contexts (`skew.csv`) only the ratios can be used: see `kvsim.calibration.uneven`.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.calibration.importers.write import Points, checked, finish, points
from kvsim.models import Model, model

if TYPE_CHECKING:
    import pandas as pd

NS_PER_US = 1e3
PRODUCTS = {"qkv": "qkv_proj", "o": "o_proj", "gate_up": "gate_up_proj", "down": "down_proj"}
"""The profile's layer for each product of a model."""
SMALL = {"layernorm": 2, "rotary_emb": 1, "act_fn": 1}
"""Small kernels of a layer and how often it runs them; attention includes writing the KV."""
ONCE = ("embedding", "final_layernorm")
"""What a step runs once, whatever the layers."""
PROFILED = "llama-3.1-8b"
BITS = 16
FEW = 16
"""Decodes of a step, between two regimes of residuals."""
LOGIT_BYTES = 4


def read(folder: Path) -> "dict[int, dict[str, pd.DataFrame]]":
    """The tables by tensor parallelism; raises FileNotFoundError when there are none."""
    import pandas as pd

    found = {}
    for part in sorted(folder.glob("tp*")):
        names = ("dense", "per_sequence", "attention")
        files = {name: next(part.glob(f"{name}.csv*")) for name in names}
        found[int(part.name[2:])] = {n: pd.read_csv(path) for n, path in files.items()}
    if not found:
        raise FileNotFoundError(f"{folder} has no tp1")
    return found


def tables(data: "dict[int, dict[str, pd.DataFrame]]", gpu: str, device: str) -> dict[str, Any]:
    """The file's JSON, without residuals."""
    kind = model(PROFILED)
    heads = {tensor: _head(kind, tensor) for tensor in data}
    attention = {tensor: part["attention"] for tensor, part in data.items()}
    sampler = data[1]["per_sequence"]
    logits = kind.vocabulary * LOGIT_BYTES
    return {
        "format": 1,
        "gpu": gpu,
        "origin": {
            "package": "LLMServingSim 5daddb2 (casys-kaist/LLMServingSim), profiler/perf",
            "licence": "MIT, Copyright (c) 2024 CASYS KAIST",
            "device": device,
            "framework": "vLLM 0.19.0",
            "kernels": "Llama-3.1-8B, bf16, as vLLM runs it without CUDA graphs",
        },
        "gemm": {},
        "gemm_shapes": {str(BITS): _shapes(data, kind)},
        "prefill_attention": [
            {"head": heads[t], "alone": _alone(frame)} for t, frame in attention.items()
        ],
        "decode_attention": [
            {"head": heads[t], "batch": _decode(frame)} for t, frame in attention.items()
        ],
        "decode_beside_prompts": [
            {"head": heads[t], "tokens": _beside(frame)} for t, frame in attention.items()
        ],
        "chunks": [{"head": heads[t], "tokens": _chunks(f)} for t, f in attention.items()],
        "all_reduce": {},
        "elementwise": _small(data[1]["dense"], kind, 1),
        "sampler": _row(sampler[sampler["layer"] == "sampler"], "sequences", logits),
        "once": _once(data[1]["dense"], kind),
        "residuals": [*_together(attention.values()), *_ranks(data, kind)],
    }


def _head(kind: Model, tensor: int) -> list[int]:
    one = kind.attention(tensor)[0]
    return [one.query_heads, one.kv_heads, one.key_width, BITS, 0]


def _row(frame: "pd.DataFrame", axis: str, scale: int = 1) -> Points:
    times = frame.groupby(axis)["time_us"].median()
    return points(zip(times.index * scale, times.values, strict=True), NS_PER_US)


def _shapes(data: "dict[int, dict[str, pd.DataFrame]]", kind: Model) -> list[list[Any]]:
    found = []
    for tensor, part in data.items():
        dense, head = part["dense"], part["per_sequence"]
        for one in kind.matmuls(tensor):
            if one.rows == "sampled":
                row = _row(head[head["layer"] == "lm_head"], "sequences")
            else:
                row = _row(dense[dense["layer"] == PRODUCTS[one.name]], "tokens")
            found.append([one.n, one.k, row])
    return found


def _small(dense: "pd.DataFrame", kind: Model, tensor: int) -> Points:
    """By bytes of one layer."""
    size = kind.elementwise_bytes(tensor) // len(kind.layers)
    frame = dense[dense["layer"].isin(SMALL)]
    times = (frame["time_us"] * frame["layer"].map(SMALL)).groupby(frame["tokens"]).sum()
    return points(zip(times.index * size, times.values, strict=True), NS_PER_US)


def _once(dense: "pd.DataFrame", kind: Model) -> Points:
    """The embedding and the last norm, by the bytes of a step's hidden states."""
    frame = dense[dense["layer"].isin(ONCE)]
    times = frame.groupby("tokens")["time_us"].sum()
    return points(zip(times.index * kind.reduction_bytes, times.values, strict=True), NS_PER_US)


def _decode(frame: "pd.DataFrame") -> dict[str, Points]:
    only = frame[(frame["prefill_chunk"] == 0) & (frame["n_decode"] > 0)]
    return {str(batch): _row(part, "kv_decode") for batch, part in only.groupby("n_decode")}


def _beside(frame: "pd.DataFrame") -> dict[str, dict[str, Points]]:
    """What decodes add to a chunk of so many tokens without a history, its launch included."""
    begins = frame[(frame["kv_prefill"] == 0) & frame["prefill_chunk"].isin(_doubled(frame))]
    alone = begins[begins["n_decode"] == 0].set_index("prefill_chunk")["time_us"]
    floor = float(alone.iloc[0])
    found = {}
    for tokens, steps in begins[begins["n_decode"] > 0].groupby("prefill_chunk"):
        added = (steps["time_us"] - alone[tokens] + floor).clip(lower=0.0)
        rows = steps.assign(time_us=added).groupby("n_decode")
        found[str(tokens)] = {str(batch): _row(part, "kv_decode") for batch, part in rows}
    return found


def _doubled(frame: "pd.DataFrame") -> list[int]:
    """Chunks that are twice one another, of which the profile has all combinations."""
    least = int(frame.loc[frame["prefill_chunk"] > 0, "prefill_chunk"].min())
    largest = int(frame["prefill_chunk"].max())
    return [least << power for power in range((largest // least).bit_length())]


def _prompts(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame[(frame["prefill_chunk"] > 0) & (frame["n_decode"] == 0)]


def _chunks(frame: "pd.DataFrame") -> dict[str, Points]:
    rows = _prompts(frame).groupby("prefill_chunk")
    return {str(tokens): _row(part, "kv_prefill") for tokens, part in rows}


def _alone(frame: "pd.DataFrame") -> Points:
    """Measured up to the largest chunk; beyond, that chunk again and again, launched once."""
    import numpy as np

    prompts = _prompts(frame)
    short = prompts[prompts["kv_prefill"] == 0].set_index("prefill_chunk")["time_us"].sort_index()
    floor, largest = float(short.iloc[0]), int(short.index[-1])
    last = prompts[prompts["prefill_chunk"] == largest].sort_values("kv_prefill")
    pairs = [(int(tokens), float(us)) for tokens, us in short.items()]  # type: ignore[call-overload]
    total = pairs[-1][1]
    for history in range(largest, int(last["kv_prefill"].iloc[-1]) + 1, largest):
        total += float(np.interp(history, last["kv_prefill"], last["time_us"])) - floor
        pairs.append((history + largest, total))
    return points(pairs, NS_PER_US)


def _together(frames: "Iterable[pd.DataFrame]") -> Iterator[list[Any]]:
    """Steps whose chunk has a history, against that chunk alone and what decodes add to it."""
    pairs: list[tuple[int, float, float]] = []
    axes = ["prefill_chunk", "kv_prefill", "n_decode", "kv_decode"]
    for frame in frames:
        times = {tuple(key): us for *key, us in frame[[*axes, "time_us"]].to_numpy()}
        for (tokens, history, batch, context), us in times.items():
            prompt, alone = times.get((tokens, history, 0, 0)), times.get((tokens, 0, 0, 0))
            beside = times.get((tokens, 0, batch, context))
            if batch and tokens and history and prompt and alone and beside:
                pairs.append((batch, prompt + max(beside - alone, 0.0), us))
    few, many = f"up to {FEW}", f"over {FEW}"
    yield checked(f"prompt beside {few} decodes", ((p, us) for n, p, us in pairs if n <= FEW))
    yield checked(f"prompt beside {many} decodes", ((p, us) for n, p, us in pairs if n > FEW))


def _ranks(data: "dict[int, dict[str, pd.DataFrame]]", kind: Model) -> Iterator[list[Any]]:
    """Small kernels of a rank, against those of the whole model that move as many bytes."""
    from kvsim.calibration.products import taller
    from kvsim.calibration.table import Row

    sizes, times = _small(data[1]["dense"], kind, 1)
    row = Row(tuple(sizes), tuple(times))
    for tensor in sorted(data)[1:]:
        other = _small(data[tensor]["dense"], kind, tensor)
        pairs = ((taller(row, size), ns) for size, ns in zip(*other, strict=True))
        yield checked(f"small kernels of one of {tensor} ranks", pairs)


def main() -> None:
    """Make a calibration with its held-back residuals."""
    import yaml

    folder, gpu, path = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    device = yaml.safe_load((folder / "meta.yaml").read_text(encoding="utf-8"))["gpu"]
    finish(tables(read(folder), gpu, device), path)


if __name__ == "__main__":
    main()
