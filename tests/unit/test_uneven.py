"""Do uneven contexts cost what was measured, and nothing where there is nothing uneven?"""

from dataclasses import replace

import pandas as pd
import pytest
from shared import shared

from kvsim.calibration import engine
from kvsim.calibration.importers.skew import points
from kvsim.calibration.residuals import residuals
from kvsim.calibration.uneven import ALONE, BESIDE, uneven
from kvsim.hardware import gpu
from kvsim.models import model
from kvsim.policies import answers
from kvsim.sim.timing import Chunk, Work

KERNELS = "measurements/llmservingsim/kernels"


@pytest.mark.parametrize(("row", "beside"), [(ALONE, False), (BESIDE, True)])
def test_points_are_met_and_ends_are_held(row, beside) -> None:
    for tiles, added in zip(*row, strict=True):
        assert uneven(tiles, beside) == pytest.approx(added)
    assert uneven(0.001, beside) == row.ns[0]
    assert uneven(1e6, beside) == pytest.approx(row.ns[-1])


def test_contexts_that_cost_a_half_of_their_deviation_are_found_to() -> None:
    """Steps of 2 and 2 us per token of mean context, and half of that per token of deviation."""
    rows = [
        (0, 0, 4, 2, mean + apart, mean - apart, mean, 2.0 * mean, 2.0 * mean + 1.0 * apart)
        for mean in (1000, 2000, 4000) for apart in (100, 500)
    ]  # fmt: skip
    names = ["pc", "kp", "n", "nb", "kv_big", "kvs", "kv_mean", "t_mean_us", "t_skew_us"]
    found = points(pd.DataFrame(rows, columns=names), kv_heads=8, sms=16)
    assert found["tiles"].tolist() == [2.0]
    assert found["beside"].tolist() == [False]
    assert found["added"].tolist() == pytest.approx([0.5])


def pace(work: Work) -> int:
    profile = replace(engine("vllm"), prompt_step_ns=0)
    timing = answers("timing").make("fitted")
    step = timing.step_time(model("llama-3.1-8b"), gpu("rtx-pro-6000"), 1, 1, 16, 16, profile)
    return int(step.pace(work).first)


@pytest.mark.parametrize("chunks", [(), (Chunk(512, 0),)])
def test_what_is_added_is_in_proportion_to_the_deviation(chunks) -> None:
    even = Work(64, (64 * 2048,), (64,), chunks, 64 + len(chunks))
    none, some, twice = (pace(even._replace(spread=spread)) for spread in (0, 20_000, 40_000))
    assert none < some < twice
    assert twice - none == pytest.approx(2 * (some - none), rel=1e-6)


def test_the_lines_are_the_medians_of_the_profiles() -> None:
    """`python -m kvsim.calibration.importers.skew` on both cards, at the same tiles per SM."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for card, sms in (("RTXPRO6000", 188), ("RTX4090", 128)):
        for path in sorted(shared(KERNELS).glob(f"{card}/**/tp1/skew.csv*")):
            for row in points(pd.read_csv(path), 8, sms).itertuples():
                if 0.3 <= row.tiles <= 6:
                    found[bool(row.beside)].append(abs(row.added - uneven(row.tiles, row.beside)))
    for beside, apart in found.items():
        assert len(apart) > 6
        assert sorted(apart)[len(apart) // 2] < 0.1, beside


def test_vidurs_held_back_rows_are_within_a_tenth_in_every_regime() -> None:
    found = residuals("a100-80gb")
    assert {one.regime for one in found if "attention" in one.regime}
    assert max(one.p50 for one in found) < 0.10
