"""Does a prompt that needs no room have its first token sooner, and who pays? Fills layerkv.md.

    python docs/experiments/layerkv.py

The text around the table is written by hand.
"""

import re
from pathlib import Path
from typing import Any

from kvsim.scenario.load import parse
from kvsim.scenario.run import run
from kvsim.sim.recorder import WHY

PAGE = Path(__file__).with_suffix(".md")
RATES = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
"""Requests per second of 3,500 tokens in and 500 out."""
ANSWERS: dict[str, dict[str, Any]] = {
    "vllm_v0": {"preset": "vllm_v0"},
    "layerkv": {"preset": "layerkv"},
    "layerkv, everybody admitted": {"preset": "layerkv", "admission": "always"},
}


def scenario(rate: float, policies: dict[str, Any]) -> Any:
    """Llama 2 7B on one L40S: KV of 512 KiB a token, room for some ten requests."""
    return parse(
        {
            "name": "layerkv",
            "model": "llama-2-7b",
            "cluster": {
                "node": {"gpu": "l40s", "gpus": 1},
                "memory": {"prefix_caching": False, "max_model_len": 4096},
            },
            "policies": policies,
            "workload": {
                "open_loop": {
                    "rate": f"{rate}/s", "requests": 400, "input_tokens": 3500,
                    "output_tokens": 500,
                },
            },
            "slo": {"ttft": "5 s", "tpot": "200 ms"},
        },
        "layerkv",
    )  # fmt: skip


def main() -> None:
    """Run all, write the table."""
    head = ["TTFT mean", "TTFT p99", "TPOT mean", "TPOT p99", "E2E mean", "both met", "outside"]
    rows = [
        f"| requests/s | policies | {' | '.join(head)} |",
        "|--:|---" + "|--:" * len(head) + "|",
    ]
    for rate in RATES:
        for name, policies in ANSWERS.items():
            done = run(scenario(rate, policies))
            told = done.summary
            ttft, tpot = told["ttft_s"], told["tpot_s"]
            cells = [f"{ttft[at]:.2f} s" for at in ("mean", "p99")]
            cells += [f"{1000 * tpot[at]:.0f} ms" for at in ("mean", "p99")]
            cells += [f"{told['e2e_s']['mean']:.0f} s"]
            cells += [f"{told['slo']['attainment']:.0%}", str(outside(done))]
            rows.append(f"| {rate} | {name} | {' | '.join(cells)} |")
    table = "\n".join(rows)
    print(table)
    text = PAGE.read_text(encoding="utf-8")
    text = re.sub(
        r"(<!-- table -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.S
    )
    PAGE.write_text(text, encoding="utf-8")


def outside(done: Any) -> int:
    """Most requests whose KV was in the host's memory at a time."""
    why, moved = done.facts.transfers["why"].tolist(), done.facts.transfers
    ways = {WHY.index("swap_out"): 1, WHY.index("swap_in"): -1}
    steps = sorted(
        (at, ways[reason]) for at, reason in zip(moved["began"].tolist(), why, strict=True)
        if reason in ways
    )  # fmt: skip
    most = now = 0
    for _, way in steps:
        now += way
        most = max(most, now)
    return most


if __name__ == "__main__":
    main()
