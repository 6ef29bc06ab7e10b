"""Vidur's profiles of an A100 80 GB (MIT, Microsoft) as a calibration.

    python -m kvsim.calibration.importers.vidur FOLDER a100-80gb calibration/a100-80gb.json.gz

FOLDER holds `mlp_medians`, `attention_a100_llama2_70b_tp2_medians` and `network_medians`, each as
`.csv.gz`: medians of data/profiling in ms, tokens by tokens. Products are those of eight models
under tensor parallelism of 1 to 8; attention is FlashAttention on 32 query and 4 KV heads only.

Not taken over: other GPUs, send and receive, the embedding, reshaping of attention's output.
"""

import sys
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.calibration.importers.write import Points, checked, finish, points
from kvsim.models import model

if TYPE_CHECKING:
    import pandas as pd

NS_PER_MS = 1e6
DEVICE = "a100"
NODE = "a100_dgx"
BITS = 16
HEAD = [32, 4, 128, BITS, 0]
"""Llama-2-70B on one of two ranks."""
# fmt: off
CONTEXTS = (32, 64, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536, 2048, 2560, 3072, 3584, 4032)
"""Contexts kept of the profile's 80: between them decode attention is straight."""
CHUNKS = (64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 2048, 2560, 3072)
"""Prompt lengths kept of 81, where they follow a history."""
# fmt: on
SMALL = {
    "input_layernorm_ms": 1,
    "post_attention_layernorm_ms": 1,
    "attn_rope_ms": 1,
    "mlp_act_ms": 1,
    "add_ms": 1,
}
"""Small kernels of a layer and how often it runs them, as Vidur adds them up."""
TYPICAL = ("meta-llama/Meta-Llama-3-8B", "llama-3.1-8b")
"""The model whose small kernels are kept, by Vidur's name and by ours; their layers are alike."""
OTHERS = (("meta-llama/Llama-2-70b-hf", "llama-2-70b"), ("meta-llama/Llama-2-7b-hf", "llama-2-7b"))
RANKS = (1, 2, 4, 8)
"""Models and tensor parallelism with which the bytes are tried as a measure of small kernels."""
HALF_OCTAVES = 2
QUICK = 0.1
"""All-reduces of less than 1 MB take some 20 or some 60 us in the profile, whatever their size:
the host was late, which it is not for captured graphs. So the quickest tenth is taken."""


def read(folder: Path) -> "dict[str, pd.DataFrame]":
    """The three tables, of one GPU."""
    import pandas as pd

    mlp = pd.read_csv(folder / "mlp_medians.csv.gz")
    network = pd.read_csv(folder / "network_medians.csv.gz")
    whole = network["num_workers"] == network["devices_per_node"]
    reduces = (network["collective"] == "all_reduce") & (network["node"] == NODE)
    return {
        "mlp": mlp[mlp["device"] == DEVICE],
        "attention": pd.read_csv(folder / "attention_a100_llama2_70b_tp2_medians.csv.gz"),
        "network": network[reduces & whole],
    }


def tables(data: "dict[str, pd.DataFrame]", gpu: str) -> dict[str, Any]:
    """The file's JSON, without residuals."""
    attention = data["attention"]
    prompts, decodes = attention[attention["is_prefill"]], attention[~attention["is_prefill"]]
    return {
        "format": 1,
        "gpu": gpu,
        "origin": {
            "package": "microsoft/vidur 7d47513, data/profiling, medians",
            "licence": "MIT, Copyright (c) Microsoft Corporation",
            "device": "NVIDIA A100 80 GB, DGX",
            "framework": "Vidur's profiler (sarathi-serve kernels)",
            "kernels": "torch linear, FlashAttention, NCCL; fp16",
        },
        "gemm": {},
        "gemm_shapes": {str(BITS): _shapes(data["mlp"])},
        "prefill_attention": [{"head": HEAD, "alone": _alone(prompts)}],
        "decode_attention": [{"head": HEAD, "batch": _decode(decodes)}],
        "chunks": [{"head": HEAD, "tokens": _chunks(prompts)}],
        "all_reduce": _all_reduce(data["network"]),
        "elementwise": _small(data["mlp"], *TYPICAL, 1),
        "residuals": [_others(data["mlp"])],
    }


def _row(frame: "pd.DataFrame", axis: str, column: str) -> Points:
    times = frame.groupby(axis)[column].median()
    return points(zip(times.index, times.values, strict=True), NS_PER_MS)


def _shapes(mlp: "pd.DataFrame") -> list[list[Any]]:
    """All products as (n, k), whichever model they are of."""
    import pandas as pd

    ranks, hidden = mlp["num_tensor_parallel_workers"], mlp["n_embd"]
    kv_heads = (mlp["n_kv_head"] // ranks).clip(lower=1)
    columns = (mlp["n_head"] // ranks + 2 * kv_heads) * (hidden // mlp["n_head"])
    inner = mlp["n_expanded_embd"] // ranks
    up = inner * mlp["use_gated_mlp"].map({True: 2, False: 1})
    shapes = {
        "attn_pre_proj_ms": (columns, hidden),
        "attn_post_proj_ms": (hidden, hidden // ranks),
        "mlp_up_proj_ms": (up, hidden),
        "mlp_down_proj_ms": (hidden, inner),
    }
    parts = [
        pd.DataFrame({"n": n, "k": k, "m": mlp["num_tokens"], "ms": mlp[name]})
        for name, (n, k) in shapes.items()
    ]
    grouped = pd.concat(parts).groupby(["n", "k"])
    found = []
    for key, part in grouped:
        n, k = map(str, key)
        found.append([int(n), int(k), _row(part, "m", "ms")])
    return sorted(found)


def _small(mlp: "pd.DataFrame", profiled: str, name: str, ranks: int) -> Points:
    """By bytes of one layer."""
    kind = model(name)
    size = kind.elementwise_bytes(ranks) // len(kind.layers)
    frame = mlp[(mlp["model"] == profiled) & (mlp["num_tensor_parallel_workers"] == ranks)]
    times = sum(many * frame[name] for name, many in SMALL.items())
    return _row(frame.assign(bytes=frame["num_tokens"] * size, all_ms=times), "bytes", "all_ms")


def _others(mlp: "pd.DataFrame") -> list[Any]:
    """Small kernels of other models and ranks, against those kept that move as many bytes."""
    from kvsim.calibration.products import taller
    from kvsim.calibration.table import Row

    kept = _small(mlp, *TYPICAL, 1)
    row = Row(tuple(kept[0]), tuple(kept[1]))
    others = ((*names, ranks) for names in (TYPICAL, *OTHERS) for ranks in RANKS)
    found = (_small(mlp, *other) for other in others if other != (*TYPICAL, 1))
    pairs = ((taller(row, at), ns) for one in found for at, ns in zip(*one, strict=True))
    return checked("small kernels of other models, ranks", pairs)


def _alone(prompts: "pd.DataFrame") -> Points:
    return _row(prompts[prompts["kv_cache_size"] == 0], "prefill_chunk_size", "attn_prefill_ms")


def _chunks(prompts: "pd.DataFrame") -> dict[str, Points]:
    """Chunks and histories that are kept, and the longest history of each chunk."""
    rows = {}
    for tokens in CHUNKS:
        part = prompts[prompts["prefill_chunk_size"] == tokens]
        longest = part["kv_cache_size"].max()
        kept = part["kv_cache_size"].isin((0, *CONTEXTS, longest))
        rows[str(tokens)] = _row(part[kept], "kv_cache_size", "attn_prefill_ms")
    return rows


def _decode(decodes: "pd.DataFrame") -> dict[str, Points]:
    kept = decodes[decodes["kv_cache_size"].isin(CONTEXTS)]
    rows = kept.groupby("batch_size")
    return {str(batch): _row(part, "kv_cache_size", "attn_decode_ms") for batch, part in rows}


def _all_reduce(network: "pd.DataFrame") -> dict[str, Points]:
    """The quickest of each half octave of sizes, and never longer than a larger one takes."""
    found = {}
    for gpus, part in network.groupby("num_workers"):
        grouped = part.groupby([int(log2(size) * HALF_OCTAVES) for size in part["size"]])
        quick = grouped["all_reduce_ms"].quantile(QUICK)
        least = quick[::-1].cummin()[::-1]
        found[str(gpus)] = points(zip(grouped["size"].median(), least, strict=True), NS_PER_MS)
    return found


def main() -> None:
    """Make a calibration with its held-back residuals."""
    folder, gpu, path = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    finish(tables(read(folder), gpu), path)


if __name__ == "__main__":
    main()
