"""DistServe's own simulator result, by its coefficients: fills distserve.md.

    python docs/experiments/distserve.py [LENGTHS.csv.gz]

LENGTHS holds prompt and answer lengths of ShareGPT (num_prefill_tokens, num_decode_tokens); without
it lengths are drawn log-normally with the same means, and the column says so. The text around the
tables is written by hand.
"""

import re
import sys
from collections.abc import Iterable, Sequence
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
SHIPPED = (607, 396)
"""Means of the lengths in LENGTHS, prompt and answer."""
RECALLED = (755, 200)
"""Means of the artifact's sample."""
ANSWERS = (100, 200, 300, 400)
"""Mean answers for which lengths are varied."""


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


VARIED = (SETTINGS[0], SETTINGS[-1])
"""The published placement, and vLLM on one replica of the whole node."""


def scenario(setting: Setting, lengths: Path | tuple[int, int]) -> Any:
    """Poisson arrivals of requests, of recorded lengths or of means, to one setting."""
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
    if isinstance(lengths, Path):
        load["lengths"] = {"file": str(lengths)}
    else:
        prompt, answer = lengths
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


def solve(task: tuple[Setting, Path | tuple[int, int]]) -> float:
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


def table(heads: Sequence[str], rows: Iterable[str], rates: Sequence[float]) -> str:
    """Markdown: `rows` begin, `rates` follow, as many as there are `heads`."""
    left = iter(rates)
    lines = [f"{row} {' | '.join(f'{next(left):.2f}' for _ in heads)} |" for row in rows]
    rule = "|---|---:|" + "---:|" * len(heads)
    return "\n".join((f"| setting | GPUs | {' | '.join(heads)} |", rule, *lines))


def begun(setting: Setting) -> str:
    """A row's first two columns."""
    gpus = sum(replicas * tensor for _, replicas, tensor in setting.pools)
    return f"| {setting.name} | {gpus} |"


def main() -> None:
    """Search all, write the tables."""
    sample = shortened(Path(sys.argv[1])) if len(sys.argv) > 1 else SHIPPED
    samples = {
        "ShareGPT as shipped" if isinstance(sample, Path) else "means of ShareGPT": sample,
        "as recalled of the artifact": RECALLED,
    }
    answers = {f"{answer} out": (RECALLED[0], answer) for answer in ANSWERS}
    text = PAGE.read_text(encoding="utf-8")
    with ProcessPoolExecutor(2) as pool:
        for mark, settings, lengths in (
            ("goodput", SETTINGS, samples),
            ("lengths", VARIED, answers),
        ):
            tasks = [(setting, one) for setting in settings for one in lengths.values()]
            rates = list(pool.map(solve, tasks))
            found = table(tuple(lengths), map(begun, settings), rates)
            print(f"{found}\n")
            place = rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)"
            assert re.search(place, text, flags=re.DOTALL), f"{PAGE} has no <!-- {mark} -->"
            text = re.sub(place, lambda m, found=found: m[1] + found + m[2], text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
