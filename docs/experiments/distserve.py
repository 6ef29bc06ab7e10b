"""DistServe's own simulator result, by its coefficients: fills distserve.md.

    python docs/experiments/distserve.py [LENGTHS.csv.gz]

LENGTHS holds prompt and answer lengths of ShareGPT (num_prefill_tokens, num_decode_tokens); without
it lengths are drawn log-normally with the same means. The text around the table is written by hand.
"""

import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError
from kvsim.scenario.load import parse
from kvsim.sweep.goodput import goodput

PAGE = Path(__file__).with_suffix(".md")
PUBLISHED = 1.56
"""Requests per second and GPU: README of simdistserve (DistServe 82831f1)."""
LIMIT = 2048
"""OPT's positions: longer texts are left out."""
BLOCKS = {1: 66144 // 16, 2: 163008 // 16, 4: 356736 // 16}
"""KV blocks by GPUs of a replica: its max_num_tokens.csv, OPT-13B."""
REQUESTS = 1500
MEANS = {"ShareGPT as shipped": None, "as recalled of the artifact": (755, 200)}


class Setting(NamedTuple):
    """One way to use GPUs."""

    name: str
    pools: list[tuple[str, int, int]]
    """(role, replicas, tensor)."""
    coefficients: str = "a100-80gb-distserve"


SETTINGS = (
    Setting("disaggregated, P 1 x tp 2 + D 1 x tp 1", [("prefill", 1, 2), ("decode", 1, 1)]),
    Setting("disaggregated, P 1 x tp 1 + D 1 x tp 1", [("prefill", 1, 1), ("decode", 1, 1)]),
    Setting("disaggregated, P 2 x tp 1 + D 1 x tp 1", [("prefill", 2, 1), ("decode", 1, 1)]),
    Setting("disaggregated, P 1 x tp 2 + D 1 x tp 2", [("prefill", 1, 2), ("decode", 1, 2)]),
    Setting("colocated, tp 1", [("unified", 1, 1)]),
    Setting("colocated, tp 2", [("unified", 1, 2)]),
    Setting("colocated, tp 4", [("unified", 1, 4)]),
    Setting("colocated vLLM, tp 1", [("unified", 1, 1)], "a100-80gb-vllm"),
    Setting("colocated vLLM, tp 2", [("unified", 1, 2)], "a100-80gb-vllm"),
    Setting("colocated vLLM, tp 4", [("unified", 1, 4)], "a100-80gb-vllm"),
)


def scenario(setting: Setting, lengths: Path | None, means: tuple[int, int] | None) -> Any:
    """Poisson arrivals of requests to one setting."""
    pools = [
        {
            "role": role,
            "replicas": replicas,
            "parallel": {"tensor": tensor},
            "blocks": BLOCKS[tensor],
        }
        for role, replicas, tensor in setting.pools
    ]
    load: dict[str, Any] = {"rate": "1/s", "requests": REQUESTS}
    if means is None and lengths is not None:
        load["lengths"] = {"file": str(lengths)}
    else:
        prompt, answer = means or (607, 396)
        load["input_tokens"] = {"lognormal": {"mean": prompt, "cv": 1.0, "min": 4, "max": 1600}}
        load["output_tokens"] = {"lognormal": {"mean": answer, "cv": 1.0, "min": 2, "max": 448}}
    return parse(
        {
            "name": setting.name,
            "model": "opt-13b",
            "engine": "ideal",
            "cluster": {
                "node": {"gpu": "a100-80gb", "gpus": 8},
                "pools": pools,
                "transfer": "pull",
                "memory": {"prefix_caching": False},
            },
            "policies": {
                "router": "least_loaded",
                "scheduler": {"vllm_v0": {"tokens": 2048, "sequences": 1024}},
                "timing": {"linear": {"file": setting.coefficients}},
            },
            "workload": {"open_loop": load},
            "slo": {"ttft": "200 ms", "tpot": "100 ms"},
        },
        setting.name,
    )


def solve(task: tuple[Setting, Path | None, tuple[int, int] | None]) -> float:
    """Requests per second and GPU; 0 where single requests miss the objectives."""
    try:
        return goodput(scenario(*task), 0.9).per_gpu
    except InputError as error:
        if "any rate" in str(error):
            return 0.0
        raise


def shortened(path: Path) -> Path:
    """The file without texts longer than OPT's positions, beside this page's scratch."""
    import tempfile

    import pandas as pd

    table = pd.read_csv(path)
    whole = table["num_prefill_tokens"] + table["num_decode_tokens"] <= LIMIT
    out = Path(tempfile.mkdtemp()) / "lengths.csv"
    table[whole].to_csv(out, index=False)
    return out


def main() -> None:
    """Search all, write the table."""
    lengths = shortened(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    tasks = [(setting, lengths, means) for setting in SETTINGS for means in MEANS.values()]
    with ProcessPoolExecutor(2) as pool:
        found = iter(list(pool.map(solve, tasks)))
    rows = ["| setting | GPUs | " + " | ".join(MEANS) + " |", "|---|---:|" + "---:|" * len(MEANS)]
    for setting in SETTINGS:
        gpus = sum(replicas * tensor for _, replicas, tensor in setting.pools)
        rates = " | ".join(f"{next(found):.2f}" for _ in MEANS)
        rows.append(f"| {setting.name} | {gpus} | {rates} |")
    table = "\n".join(rows)
    print(table)
    text = PAGE.read_text(encoding="utf-8")
    mark = r"(<!-- goodput -->\n).*?(\n<!-- end -->)"
    PAGE.write_text(re.sub(mark, lambda m: m[1] + table + m[2], text, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
