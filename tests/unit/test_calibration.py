"""Are the shipped times what the hardware is known to take?"""

import pytest

from kvsim.calibration import calibrations, engine
from kvsim.calibration.residuals import residuals
from kvsim.calibration.table import FOLDER, load
from kvsim.errors import InputError
from kvsim.hardware import gpu
from kvsim.models import model
from kvsim.policies import answers
from kvsim.sim.timing import FRACTION, Chunk, Work

MS = (1 << FRACTION) * 1e6


def fitted(name="llama-3.1-8b", tensor=1, pipeline=1, bits=16, served="vllm"):
    timing = answers("timing").make("fitted")
    return timing.step_time(
        model(name), gpu("h100-sxm"), tensor, pipeline, bits, 16, engine(served)
    )


def decode_ms(timing, size, context) -> float:
    return timing.pace(Work(size, (size * context,), (size,), (), size)).first / MS


def prefill_ms(timing, *chunks) -> float:
    return timing.pace(Work(0, (0,), (0,), tuple(Chunk(*c) for c in chunks), 1)).first / MS


def test_one_token_of_an_8b_takes_a_little_more_than_reading_its_weights() -> None:
    read = model("llama-3.1-8b").weights_bytes() / gpu("h100-sxm").bandwidth * 1e3
    assert read == pytest.approx(4.79, abs=0.01)
    assert 1.1 * read < decode_ms(fitted(), 1, 1000) < 1.6 * read


def test_a_prompt_of_16k_takes_400_to_520_ms_in_two_chunks() -> None:
    timing = fitted()
    assert 400 < prefill_ms(timing, (8192, 0)) + prefill_ms(timing, (8192, 8192)) < 520


def test_a_short_prompt_on_many_gpus_takes_what_its_launch_takes() -> None:
    """32 layers of 0.75 ms each, for steps with prompts alone."""
    timing = fitted(tensor=8, served="trtllm")
    assert prefill_ms(timing, (100, 0)) == 24.0
    assert prefill_ms(timing, (8192, 0)) > 24.0
    assert decode_ms(timing, 1, 1000) < 5.0


def test_sequences_cost_the_host_what_its_profile_says() -> None:
    ours, theirs = (decode_ms(fitted(served=name), 64, 1000) for name in ("vllm", "sglang"))
    assert theirs - ours == pytest.approx(64 * engine("sglang").sequence_ns / 1e6, rel=1e-3)


def test_many_short_prompts_share_the_gpu() -> None:
    timing = fitted()
    together = prefill_ms(timing, *[(128, 0)] * 16)
    assert together < 16 * prefill_ms(timing, (128, 0)) / 2
    assert together > prefill_ms(timing, (2048, 0)) * 0.8


def test_tensor_parallel_is_faster_by_less_than_its_gpus() -> None:
    one, four = fitted(), fitted(tensor=4)
    assert decode_ms(one, 64, 2000) / 4 < decode_ms(four, 64, 2000) < decode_ms(one, 64, 2000)
    assert four.parts(Work(64, (64_000,), (64,), (), 64))["all-reduce"] > 0


def test_a_pipeline_round_takes_as_long_as_one_of_its_sub_batches_alone() -> None:
    one, two = fitted(), fitted(pipeline=2)
    assert decode_ms(two, 64, 2000) == pytest.approx(decode_ms(one, 32, 2000), rel=0.02)


def test_what_was_not_measured_is_marked() -> None:
    timing = fitted()
    assert not timing.pace(Work(1, (60_000,), (1,), (), 1)).extrapolated
    assert timing.pace(Work(0, (0,), (0,), (Chunk(8192, 50_000),), 1)).extrapolated
    latent = fitted("deepseek-v2-lite")
    assert latent.pace(Work(1, (1000,), (1,), (), 1)).extrapolated


def test_routed_experts_are_looked_up_as_a_whole() -> None:
    """Mixtral's on two H100: two of eight, 14,336 wide, in bf16."""
    timing = fitted("mixtral-8x7b", tensor=2)
    assert not timing.pace(Work(1, (1000,), (1,), (), 1)).extrapolated
    row = load("h100-sxm").experts[16, 4096, 7168, 2, 8]
    one = timing.parts(Work(1, (1000,), (1,), (), 1))["gemm"]
    assert one > 32 * row.ns[0]


def test_the_calibration_says_where_it_is_from_and_how_far_off_it_is() -> None:
    assert "Apache-2.0" in load("h100-sxm").origin["licence"]
    assert residuals("a10g") == []
    for name in calibrations():
        assert gpu(name).name == load(name).gpu == name
        assert {"package", "licence", "device", "framework"} <= set(load(name).origin)
        found = residuals(name)
        assert len(found) >= 10
        assert all(0 < row.p50 <= row.p90 <= row.worst and row.points > 0 for row in found)


def test_every_calibration_is_small_and_named_in_the_notice() -> None:
    assert calibrations() == [
        "a100-80gb", "b200", "gb200", "h100-sxm", "h200", "l40s", "rtx-4090", "rtx-pro-6000",
    ]  # fmt: skip
    notice = (FOLDER.parent / "NOTICE").read_text(encoding="utf-8")
    for file in FOLDER.glob("*.json.gz"):
        assert f"calibration/{file.name}" in notice
        assert file.stat().st_size < 320_000


def test_a_gpu_without_calibration_is_said_so() -> None:
    with pytest.raises(InputError, match="has no calibration"):
        answers("timing").make("fitted").step_time(
            model("opt-13b"), gpu("l4"), 1, 1, 16, 16, engine("vllm")
        )


def test_decodes_are_padded_to_captured_graphs() -> None:
    vllm = engine("vllm")
    assert [vllm.padded(n) for n in (1, 3, 9, 257, 512, 600)] == [1, 4, 16, 272, 512, 600]
    assert engine("ideal").padded(9) == 9
