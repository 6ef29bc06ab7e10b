"""How near is a run to one that was measured? What docs/calibration.md says of it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scenarios import written
from shared import shared

from kvsim.scenario import load
from kvsim.scenario.run import run
from kvsim.units import MS, SECOND

SCENARIO = """
name: rtx-pro-6000
model: llama-3.1-8b
cluster:
  node: {{gpu: rtx-pro-6000, gpus: 1}}
policies:
  scheduler: {{chunked_prefill: {{tokens: 2048, sequences: 128}}}}
workload: {{trace: {{file: {file}, format: mooncake}}}}
"""
BLOCK_TOKENS = 16
ROOM = 0.005
"""Of the stated errors, in shares of the measured value."""


def measured(folder: Path) -> list[dict]:
    with gzip.open(folder / "requests.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def trace(rows: list[dict]) -> str:
    """Lengths, block hashes and the instants at which the engine queued the requests."""
    requests = (
        {
            "timestamp": row["queued"] * (SECOND / MS),
            "input_length": row["input_length"],
            "output_length": row["output_length"],
            "hash_ids": row["hash_ids"],
            "block_tokens": BLOCK_TOKENS,
        }
        for row in rows
    )
    return "".join(json.dumps(request) + "\n" for request in requests)


@pytest.mark.slow
def test_a_measured_run_is_as_far_off_as_stated(tmp_path) -> None:
    """300 ShareGPT requests, vLLM 0.19 on an RTX PRO 6000; nothing is adjusted to it."""
    rows = measured(Path(shared("measurements/llmservingsim/runs/RTXPRO6000_Llama-3.1-8B")))
    file = tmp_path / "trace.jsonl"
    file.write_text(trace(rows), encoding="utf-8")
    result = run(load(written(tmp_path, SCENARIO.format(file=file))))
    requests = result.facts.requests
    order = np.argsort(requests["id"])
    first, last, arrival = (
        requests[name][order] / SECOND for name in ("first_token", "finish", "arrival")
    )
    more = requests["output_tokens"][order] - 1
    asked, began, ended = (
        np.array([row[name] for row in rows]) for name in ("queued", "first_token", "last_token")
    )
    ttft, tpot = began - asked, (ended - began) / more
    assert (ttft.mean(), tpot.mean()) == pytest.approx((7.097, 0.03246), rel=1e-3)
    assert (first - arrival).mean() / ttft.mean() - 1 == pytest.approx(-0.146, abs=ROOM)
    assert ((last - first) / more).mean() / tpot.mean() - 1 == pytest.approx(-0.056, abs=ROOM)
    assert result.summary["extrapolated_fraction"] == 0
