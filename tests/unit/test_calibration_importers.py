"""Do steps on the profiled GPUs take what the profiles say, and what is not there is marked?"""

from dataclasses import replace
from pathlib import Path

import pytest
from shared import shared

from kvsim.calibration import engine
from kvsim.calibration.contexts import following
from kvsim.calibration.measured import ALL_KERNELS, Measured
from kvsim.calibration.operators import KERNEL_GAP, Gemms
from kvsim.calibration.products import nearby, taller
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import Row, load, parse
from kvsim.hardware import gpu
from kvsim.models import Attention, model
from kvsim.policies import answers
from kvsim.sim.timing import FRACTION, Chunk, Work

MS = (1 << FRACTION) * 1e6
LLAMA = Attention("full", 1, 32, 8, 128, 128)


BARE = replace(engine("vllm"), prompt_step_ns=0)
"""Nothing on the host: profiles have kernels only."""


def timed(device: str, name: str = "llama-3.1-8b", tensor: int = 1, bits: int = 16):
    timing = answers("timing").make("fitted")
    return timing.step_time(model(name), gpu(device), tensor, 1, bits, 16, BARE)


def kernels(timing, work: Work) -> float:
    """A step's kernels in ms, without all-reduces and without the gaps between kernels."""
    gaps = len(timing.model.layers) * ALL_KERNELS * KERNEL_GAP / 1e6
    return timing.pace(work).first / MS - timing.parts(work)["all-reduce"] / 1e6 - gaps


def measured(device: str) -> Measured:
    return Measured(load(device), gpu(device), 16, 16)


def decodes(batch: int, context: int, *chunks: Chunk) -> Work:
    return Work(batch, (batch * context,), (batch,), chunks, batch + len(chunks))


# Sums of the profiles' own medians in ms: 32 layers of products, two norms, rotary, activation and
# attention; embedding, last norm, LM head, sampler. From dense, per_sequence and attention.csv.
PROFILED = [
    ("rtx-4090", 1, decodes(1, 1024), 16.798),
    ("rtx-4090", 1, decodes(64, 1024), 29.296),
    ("rtx-4090", 1, decodes(0, 0, Chunk(2048, 0)), 193.005),
    ("rtx-4090", 1, decodes(0, 0, Chunk(512, 8192)), 64.162),
    ("rtx-pro-6000", 1, decodes(1, 1024), 11.346),
    ("rtx-pro-6000", 1, decodes(256, 1024), 39.044),
    ("rtx-pro-6000", 1, decodes(0, 0, Chunk(2048, 0)), 82.945),
    ("rtx-pro-6000", 1, decodes(0, 0, Chunk(16, 16384)), 22.669),
    ("rtx-pro-6000", 2, decodes(64, 1024), 10.137),
    ("rtx-pro-6000", 2, decodes(0, 0, Chunk(2048, 0)), 43.577),
]


@pytest.mark.parametrize(("device", "tensor", "work", "profile"), PROFILED)
def test_steps_take_what_the_profile_adds_up_to(device, tensor, work, profile) -> None:
    """All-reduces were not profiled."""
    timing = timed(device, tensor=tensor)
    found = kernels(timing, work)
    assert found == pytest.approx(profile, rel=0.03)


@pytest.mark.parametrize(
    ("device", "tensor", "work", "profile"),
    [
        ("rtx-4090", 1, decodes(64, 1024, Chunk(512, 0)), 81.105),
        ("rtx-4090", 1, decodes(128, 1024, Chunk(1024, 0)), 160.387),
        ("rtx-pro-6000", 1, decodes(64, 1024, Chunk(512, 0)), 36.265),
        ("rtx-pro-6000", 1, decodes(128, 1024, Chunk(1024, 0)), 72.210),
        ("rtx-pro-6000", 2, decodes(128, 1024, Chunk(1024, 0)), 37.800),
    ],
)
def test_decoding_beside_prompts_is_slower_as_profiled(device, tensor, work, profile) -> None:
    timing = timed(device, tensor=tensor)
    found = kernels(timing, work)
    assert found == pytest.approx(profile, rel=0.05)


@pytest.mark.parametrize(
    ("work", "profile"),
    [
        (decodes(1, 1024), 46.4),
        (decodes(64, 1024), 60.0),
        (decodes(0, 0, Chunk(2048, 0)), 694.04),
        (decodes(0, 0, Chunk(512, 2048)), 188.28),
    ],
)
def test_an_a100_takes_what_vidur_adds_up_to(work, profile) -> None:
    """80 layers of Llama-2-70B on one of two ranks; there is no LM head in the profile."""
    timing, work = timed("a100-80gb", "llama-2-70b", tensor=2), work._replace(sampled=0)
    found = kernels(timing, work)
    assert found == pytest.approx(profile, rel=0.03)
    assert not timing.pace(work).extrapolated


@pytest.mark.parametrize("device", ["rtx-4090", "rtx-pro-6000"])
def test_the_profiled_model_is_not_extrapolated_and_others_are(device) -> None:
    assert not timed(device).pace(decodes(16, 1024)).extrapolated
    assert timed(device).pace(decodes(0, 0, Chunk(4096, 0))).extrapolated
    assert timed(device, bits=8).pace(decodes(16, 1024)).extrapolated
    assert timed(device, "qwen2.5-0.5b").pace(decodes(16, 1024)).extrapolated


def test_all_reduces_over_pcie_were_not_measured() -> None:
    assert measured("rtx-pro-6000").all_reduce(1 << 20, 2).extrapolated
    assert not measured("a100-80gb").all_reduce(1 << 20, 8).extrapolated


def test_a_shape_is_as_far_from_the_roofline_as_its_neighbours() -> None:
    roofline = Roofline(gpu("a100-80gb"), 16, 16)
    grid = (1, 64, 4096)
    shapes = {
        (n, 4096): Row(grid, tuple(1.5 * roofline.gemm(Gemms(n, 4096), m, 16).ns for m in grid))
        for n in (4096, 8192)
    }
    found = nearby(shapes, Gemms(6144, 4096), roofline, 16)
    assert found is not None
    assert found.ns[2] == pytest.approx(1.5 * roofline.gemm(Gemms(6144, 4096), 4096, 16).ns)
    assert nearby(shapes, Gemms(6144, 1024), roofline, 16) is None


def test_products_taller_than_measured_are_in_proportion() -> None:
    row = Row((1, 1024, 2048), (10.0, 100.0, 200.0))
    assert [taller(row, m) for m in (512, 2048, 8192)] == [pytest.approx(54.95, abs=0.1), 200, 800]


def test_a_chunk_longer_than_measured_is_several() -> None:
    """1000 + the history each: 64 + 64 + 32 tokens after 100, and 32 take as long as 64."""
    rows = {c: Row((0, 1000), (1000.0, 2000.0)) for c in (16, 64)}
    assert following(rows, 160, 100) == pytest.approx(1100 + 1164 + 1228)
    assert following(rows, 8, 100) == 1100


def test_few_tokens_on_a_long_history_take_what_was_measured() -> None:
    """16 tokens after 16,384: 369 us on the RTX PRO 6000, ten times what reading the KV takes."""
    found = measured("rtx-pro-6000").chunk(LLAMA, 16, 16384)
    assert found.alone == pytest.approx(369e3, rel=0.01)
    windowed = replace(LLAMA, kind="window", window=4096)
    assert measured("rtx-pro-6000").chunk(windowed, 16, 16384).alone < 100e3


def test_without_batches_a_prompts_share_is_its_strain() -> None:
    """The share of the longest is all of its time, that of short ones less than they take alone."""
    alone, share = load("rtx-pro-6000").prefill[(32, 8, 128, 16, 0)]
    assert share.ns[-1] == pytest.approx(alone.ns[-1])
    assert share.ns[0] < alone.ns[0] / 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "folder"), [("rtx-4090", "RTX4090"), ("rtx-pro-6000", "RTXPRO6000")]
)
def test_the_shipped_rtx_files_are_what_the_importer_makes(device, folder) -> None:
    from kvsim.calibration.importers.llmservingsim import read, tables

    path = shared(f"measurements/llmservingsim/kernels/{folder}/meta-llama/Llama-3.1-8B/bf16")
    _same(device, parse(tables(read(Path(path)), device, load(device).origin["device"])))


@pytest.mark.slow
def test_the_shipped_a100_file_is_what_the_importer_makes() -> None:
    from kvsim.calibration.importers.vidur import read, tables

    _same("a100-80gb", parse(tables(read(Path(shared("measurements/vidur"))), "a100-80gb")))


def _same(device, made) -> None:
    assert replace(load(device), residuals=(), sha256="") == replace(made, residuals=())
