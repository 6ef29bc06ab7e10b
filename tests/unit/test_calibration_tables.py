"""Do look-ups in the measured tables agree with what was measured, and say when nothing was?"""

from dataclasses import replace
from pathlib import Path

import pytest
from shared import shared

from kvsim.calibration import calibrations, engine
from kvsim.calibration.contexts import by_batch, saturated
from kvsim.calibration.efficiency import fit
from kvsim.calibration.figure import draw
from kvsim.calibration.ledger import Ledger
from kvsim.calibration.measured import Measured
from kvsim.calibration.operators import Gemms
from kvsim.calibration.residuals import held_back, residuals
from kvsim.calibration.roofline import Efficiency
from kvsim.calibration.table import Row, line, load, rising
from kvsim.hardware import gpu
from kvsim.models import Attention, model
from kvsim.policies import answers
from kvsim.sim.timing import FRACTION, Chunk, Work

ONE = 1 << FRACTION
FIGURE = Path(__file__).parents[2] / "docs" / "figures" / "h100-sxm-residuals.svg"
LLAMA = Attention("full", 1, 32, 8, 128, 128)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured(load("h100-sxm"), gpu("h100-sxm"), 16, 16)


def timed(name: str, kind: str = "fitted", profile: str = "vllm", device: str = "h100-sxm"):
    timing = answers("timing").make(kind)
    return timing.step_time(model(name), gpu(device), 1, 1, 16, 16, engine(profile))


def test_noise_is_levelled_and_rises_are_kept() -> None:
    assert rising([1, 3, 2, 4]) == (1, 2.5, 2.5, 4)
    assert rising([3, 2, 1]) == (2, 2, 2)


def test_measured_points_are_found_again(measured) -> None:
    """4096 x 4096 in bf16: 0.3470 ms for 8192 rows; 8 sequences of 8192 tokens."""
    assert measured.gemm(Gemms(4096, 4096), 8192, 16).ns == pytest.approx(346_970, rel=1e-3)
    row, _ = measured.decode(LLAMA, 8)
    found = load("h100-sxm").decode
    head = next(h for h in found if h[:5] == (32, 8, 128, 16, 0))
    assert line(row, 8 * 8192) == pytest.approx(line(found[head][8], 8192), rel=0.01)


def test_two_busy_batches_are_compared_at_equal_tokens_read() -> None:
    """Time is 10 + tokens read: 3 sequences of 100 tokens take 310 at equal totals."""
    contexts = (10, 100, 1000)
    rows = {b: Row(contexts, tuple(10.0 + b * c for c in contexts)) for b in (2, 4)}
    busy, known = by_batch(rows, 3, spread=1)
    assert line(busy, 300) == pytest.approx(310)
    assert known == 4000


def test_few_heads_are_compared_at_equal_contexts() -> None:
    """Time is the longest context's, whatever the batch: 3 sequences of 100 tokens take 100."""
    rows = {b: Row((10, 100, 1000), (10.0, 100.0, 1000.0)) for b in (2, 4)}
    idle, _ = by_batch(rows, 3, spread=8)
    assert line(idle, 3 * 100) == pytest.approx(100)


def test_a_full_window_takes_what_was_measured_beyond_it() -> None:
    row = Row((32, 64, 128, 256, 512), (10.0, 11.0, 12.0, 15.0, 15.0))
    assert saturated(row, 128) == Row((32, 64, 128), (10.0, 11.0, 15.0))


@pytest.mark.parametrize("name", ["qwen2.5-7b", "yi-34b", "llama-2-13b", "phi-4", "opt-30b"])
def test_head_shapes_between_measured_ones_are_looked_up(name) -> None:
    """28 query heads on 4, or 56 on 56, were not measured; shapes with more and fewer were."""
    timing = timed(name)
    assert not timing.pace(Work(16, (16_000,), (16,), (), 16)).extrapolated
    assert not timing.pace(Work(0, (0,), (0,), (Chunk(1000, 0),), 1)).extrapolated


def test_what_has_no_table_is_marked_and_still_timed(measured) -> None:
    latent = replace(LLAMA, kind="latent", kv_heads=1, key_width=576, value_width=0, latent=512)
    assert measured.decode(latent, 4)[1] == 0
    assert measured.prefill(replace(latent, scored=(192, 128)), 1000).extrapolated
    wide = replace(LLAMA, kind="window", window=4096)
    assert measured.prefill(wide, 6000).extrapolated
    assert measured.prefill(wide, 6000).alone < measured.prefill(LLAMA, 6000).alone


def test_a_wide_product_is_as_long_as_its_halves(measured) -> None:
    halves = 2 * measured.gemm(Gemms(64_128, 4096), 64, 16).ns
    assert measured.gemm(Gemms(128_256, 4096), 64, 16).ns == pytest.approx(halves)


def test_more_rows_never_take_less_time() -> None:
    timing = timed("llama-3.1-8b")
    times = [timing.fixed(rows).time for rows in (*range(1, 512, 3), *range(512, 9000, 97))]
    assert times == sorted(times)


def test_a_small_chunk_after_a_long_history_reads_all_of_it() -> None:
    """131,072 B per token: 100,000 tokens are 13.1 GB, 3.9 ms at 3.35 TB/s."""
    timing = timed("llama-3.1-8b")
    alone = timing.pace(Work(0, (0,), (0,), (Chunk(16, 0),), 0)).first
    late = timing.pace(Work(0, (0,), (0,), (Chunk(16, 100_000),), 0)).first
    assert (late - alone) / ONE > 100_000 * 131_072 / gpu("h100-sxm").bandwidth * 1e9 * 0.9


def test_bytes_of_a_decode_step_are_weights_and_kv() -> None:
    kind = model("llama-3.1-8b")
    ledger = Ledger(kind, gpu("h100-sxm"), 1, 1, 16, 16)
    work = Work(2, (3000,), (2,), (), 2)
    embedding = kind.vocabulary * kind.hidden * 2
    norms = 65 * kind.hidden * 2  # vectors are no matrix product
    products = kind.weights_bytes() - embedding - norms
    assert ledger.bytes_moved(work, 2, 2) == (products + 3002 * 131_072, 2 * 131_072)
    flops = 2 * (kind.token_flops() + kind.head_flops()) + 3000 * 4 * 32 * 4096
    assert ledger.flops(work, 2, 2) == (flops, 2 * 4 * 32 * 4096)


def test_the_sampler_takes_what_was_measured() -> None:
    """25 us, and two passes over 256 x 128,256 fp32 logits: 78 us at 3.35 TB/s."""
    with_sampler, without = timed("llama-3.1-8b"), timed("llama-3.1-8b", profile="ideal")
    extra = (with_sampler.head(256).time - without.head(256).time) / ONE
    assert extra == pytest.approx(25_000 + 2 * 256 * 128_256 * 4 / 3.35e12 * 1e9, rel=1e-6)


def test_the_roofline_is_near_the_tables_it_was_fitted_to() -> None:
    work = Work(32, (64_000,), (32,), (), 32)
    prompt = Work(0, (0,), (0,), (Chunk(4096, 0),), 1)
    for one in (work, prompt):
        fitted, roofline = (
            timed("llama-3.1-8b", kind).pace(one) for kind in ("fitted", "roofline")
        )
        assert roofline.first == pytest.approx(fitted.first, rel=0.15)


def test_stated_efficiencies_are_the_fitted_ones() -> None:
    stated = Efficiency()
    best = {name: one for name, one, _ in fit(load("h100-sxm"), gpu("h100-sxm"))}
    assert best["GEMM bf16"] == stated
    assert best["GEMM fp8"].gemm_flops_8bit == stated.gemm_flops_8bit
    assert best["prefill attention"] == stated
    assert best["decode attention"] == stated


@pytest.mark.parametrize("name", calibrations())
def test_stored_errors_are_those_of_the_code(name) -> None:
    """What an importer found on data that it did not keep comes before them."""
    found = held_back(load(name))
    assert found == residuals(name)[-len(found) :]


def test_the_figure_shows_every_regime() -> None:
    rows = residuals("h100-sxm")
    figure = draw("h100-sxm", rows)
    assert all(row.regime.replace("<", "&lt;").replace(">", "&gt;") in figure for row in rows)
    assert figure == FIGURE.read_text(encoding="utf-8"), "draw it anew: see calibration/figure.py"


@pytest.mark.slow
def test_the_shipped_file_is_what_the_importer_makes() -> None:
    from kvsim.calibration.importers.aiconfigurator import read, tables
    from kvsim.calibration.table import parse

    """Of the H100's tables those of products and attention are beside this checkout."""
    made = parse(tables(read(shared("measurements/h100_kernels")), "h100-sxm", "h100_sxm"))
    shipped = load("h100-sxm")
    for part in ("gpu", "origin", "gemm", "prefill", "decode"):
        assert getattr(shipped, part) == getattr(made, part)
