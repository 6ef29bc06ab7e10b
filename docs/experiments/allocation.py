"""What KV memory holds, by allocation, beside PagedAttention's figure 2: fills allocation.md.

    python docs/experiments/allocation.py [LENGTHS.csv.gz]

LENGTHS holds prompt and answer lengths of ShareGPT (num_prefill_tokens, num_decode_tokens); without
it only lengths drawn with the paper's means are run. The text around the tables is written by hand.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from kvsim.scenario.load import parse
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
PUBLISHED = {
    "reserve_max": (", Orca (Max)", "20.4%", "7.0"),
    "reserve_pow2": (", Orca (Pow2)", "26.8%", "9.8"),
    "reserve_oracle": (", Orca (Oracle)", "38.2%", "13.6"),
    "paged": (", vLLM", "96.3%", "30.4"),
    "virtual_memory": ("", "", ""),
    "block_groups": ("", "", ""),
}
"""Name there, share of KV memory that held token states (figure 2), and requests that ran at a time
under 2 requests/s; all as recalled."""
SLOTS = 15_700
"""Tokens of KV of OPT-13B on an A100 40 GB (table 1, as recalled)."""
LONGEST = 2048
"""OPT's positions, and what Orca (Max) reserves."""
MEANS = {"prompt": 161, "answer": 338}
"""Tokens of ShareGPT (section 6.1, as recalled)."""
LOAD: dict[str, Any] = {"rate": "10/s", "requests": 3000}
"""More than any of them serves: somebody always waits for memory."""
MEASURED = {"from": "120 s", "to": "600 s", "waste": True}
PARTS = ("states", "reserved", "internal", "unclaimed")


def scenario(allocation: str, lengths: Path | None) -> Any:
    """One allocation, on lengths from a file, or drawn."""
    drawn = {
        f"{kind}_tokens": {"lognormal": {"mean": MEANS[mean], "cv": 1.0, "min": 4, "max": 1024}}
        for kind, mean in (("input", "prompt"), ("output", "answer"))
    }
    return parse(
        {
            "name": allocation,
            "model": "opt-13b",
            "precision": {"weights": "fp16", "kv": "fp16"},
            "cluster": {
                "node": {"gpu": "a100-40gb", "gpus": 1},
                "memory": {
                    "blocks": SLOTS // 16, "max_model_len": LONGEST, "prefix_caching": False,
                },
            },
            "policies": {
                "allocation": allocation,
                "scheduler": "orca" if allocation.startswith("reserve") else "vllm_v0",
            },
            "workload": {
                "open_loop": LOAD | ({"lengths": {"file": str(lengths)}} if lengths else drawn)
            },
            "measure": MEASURED,
        },
        allocation,
    )  # fmt: skip


def table(lengths: Path | None) -> str:
    """A row an allocation."""
    head = ["token states", "reserved", "never used", "unclaimed", "running"]
    head += [] if lengths else ["token states there", "running there"]
    rows = [f"| allocation | {' | '.join(head)} |", "|---" + "|--:" * len(head) + "|"]
    for allocation, (name, *published) in PUBLISHED.items():
        done = run(scenario(allocation, lengths))
        shares = (done.summary["memory"]["waste"][part] for part in PARTS)
        spans = done.facts.within(done.machine.scenario.measure.start, None).spans
        lasting = spans["end"] - spans["start"]
        running = float(spans["running"] @ lasting / lasting.sum())
        cells = [f"{allocation}{name}", *(f"{share:.1%}" for share in shares), f"{running:.1f}"]
        rows.append(f"| {' | '.join(cells + ([] if lengths else published))} |")
    return "\n".join(rows)


def shortened(path: Path) -> Path:
    """The file without texts longer than OPT's positions."""
    import pandas as pd

    found = pd.read_csv(path)
    whole = found["num_prefill_tokens"] + found["num_decode_tokens"] <= LONGEST
    out = Path(tempfile.mkdtemp()) / "lengths.csv"
    found[whole].to_csv(out, index=False)
    return out


def main() -> None:
    """Run all, write the tables."""
    tables = {"drawn": None} | ({"file": shortened(Path(sys.argv[1]))} if sys.argv[1:] else {})
    text = PAGE.read_text(encoding="utf-8")
    for mark, lengths in tables.items():
        told = table(lengths)
        print(told)
        pattern = rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)"
        text = re.sub(pattern, lambda m, told=told: m[1] + told + m[2], text, flags=re.S)
    if PAGE.exists():
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
