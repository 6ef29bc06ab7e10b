"""How near is a replayed run to the real one? What docs/trust.md says of it, within some slack."""

from pathlib import Path

import pytest
from commands import told
from shared import shared

RUN = "measurements/llmservingsim/runs/RTXPRO6000_Llama-3.1-8B"
LIMITS = {
    ("ttft_s", "mean"): 0.05, ("ttft_s", "p95"): 0.05, ("ttft_s", "p50"): 0.10,
    ("tpot_s", "mean"): 0.02, ("tpot_s", "p99"): 0.02,
}  # fmt: skip


@pytest.fixture(scope="module")
def validation():
    return told("validate", "run", Path(shared(RUN)), "--json")


def test_a_measured_run_comes_out(validation) -> None:
    """300 ShareGPT requests, vLLM 0.19 on an RTX PRO 6000."""
    assert validation["measured"]["ttft_s"]["mean"] == pytest.approx(7.097, rel=1e-3)
    assert validation["measured"]["tpot_s"]["mean"] == pytest.approx(0.03246, rel=1e-3)
    for (metric, statistic), most in LIMITS.items():
        assert abs(validation["errors"][metric][statistic]) < most, (metric, statistic)
    assert validation["extrapolated_fraction"] == 0
    assert validation["ttft_counts_from"] == "queued"


def test_its_queue_and_batch_come_out_over_time(validation) -> None:
    """128 slots are full from the 13th to the 49th second; some hundred requests wait at most."""
    real, sim = validation["over_time"]["measured"], validation["over_time"]["predicted"]
    for name, most in (("running", 4), ("waiting", 8)):
        apart = [abs(a - b) for a, b in zip(real[name], sim[name], strict=True)]
        assert sum(apart) / len(apart) < most


ALONE = """
name: alone
model: llama-3.1-8b
cluster: {node: {gpu: h100-sxm}}
workload:
  closed_loop: {concurrency: 1, input_tokens: 16384, output_tokens: 16, requests: 1}
"""


def test_a_prompt_of_16k_alone_waits_400_to_520_ms(tmp_path) -> None:
    """302 ms at the H100's peak; the measured kernels add up to about 440."""
    (tmp_path / "alone.yaml").write_text(ALONE)
    found = told("run", tmp_path / "alone.yaml", "--json")
    assert 0.400 < found["ttft_s"]["mean"] < 0.520
    assert found["extrapolated_fraction"] == 0
