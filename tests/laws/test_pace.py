"""Is a pace what asking again at each of its steps would give, and does it obey the hardware?"""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvsim.calibration import engine
from kvsim.calibration.steps import OperatorTimes
from kvsim.hardware import gpu
from kvsim.models import model
from kvsim.policies import answers
from kvsim.sim.timing import FRACTION, Chunk, Work

REPLICAS = (
    ("llama-3.1-8b", "h100-sxm", "fitted", 1, 1, 16),
    ("llama-3.1-70b", "h100-sxm", "fitted", 4, 1, 16),
    ("llama-3.1-70b", "h100-sxm", "fitted", 2, 2, 8),
    ("qwen3-30b-a3b", "h100-sxm", "fitted", 2, 1, 16),
    ("gemma-3-27b", "h100-sxm", "fitted", 2, 1, 16),
    ("llama-3.1-8b", "rtx-pro-6000", "fitted", 1, 1, 16),
    ("llama-2-70b", "a100-80gb", "fitted", 4, 1, 16),
    ("deepseek-v3", "h200", "roofline", 8, 1, 8),
    ("opt-13b", "a100-40gb", "roofline", 1, 1, 16),
)


@cache
def replica(name: str, device: str, kind: str, tensor: int, pipeline: int, bits: int):
    timing = answers("timing").make(kind)
    return timing.step_time(model(name), gpu(device), tensor, pipeline, bits, 16, engine("vllm"))


def decoding(timing: OperatorTimes, size: int, context: int, growing: int, after: int = 0) -> Work:
    classes = len(timing.classes)
    total = size * context + growing * after
    return Work(size, (total,) * classes, (growing,) * classes, (), size)


@given(
    st.sampled_from(REPLICAS),
    st.integers(1, 600),
    st.integers(1, 200_000),
    st.data(),
)
def test_a_pace_is_what_asking_again_would_give(which, size, context, data) -> None:
    timing = replica(*which)
    growing = data.draw(st.integers(0, size))
    pace = timing.pace(decoding(timing, size, context, growing))
    assert pace.steps >= 1
    steps = data.draw(st.integers(0, min(pace.steps, 5000) - 1))
    again = timing.pace(decoding(timing, size, context, growing, steps))
    assert again.first == pace.first + steps * pace.growth
    assert again.extrapolated == pace.extrapolated


@given(
    st.sampled_from(REPLICAS),
    st.integers(0, 600),
    st.integers(1, 100_000),
    st.lists(st.tuples(st.integers(1, 8192), st.integers(0, 100_000)), max_size=4),
)
def test_no_step_beats_the_hardware(which, size, context, chunks) -> None:
    timing = replica(*which)
    work = decoding(timing, size, context, size)._replace(
        chunks=tuple(Chunk(*chunk) for chunk in chunks), sampled=size + len(chunks)
    )
    if not size and not chunks:
        return
    seconds = timing.pace(work).first / (1 << FRACTION) / 1e9
    assert timing.flops(work)[0] <= seconds * timing.peak_flops * (1 + 1e-9)
    assert timing.bytes_moved(work)[0] <= seconds * timing.bandwidth * (1 + 1e-9)


@pytest.mark.parametrize("which", REPLICAS)
def test_more_work_takes_longer(which) -> None:
    timing = replica(*which)
    times = [
        timing.pace(decoding(timing, 64, context, 64)).first for context in range(100, 9000, 700)
    ]
    assert times == sorted(times)
    prompts = [
        timing.pace(Work(0, (0,) * len(timing.classes), (0,) * len(timing.classes),
                         (Chunk(1024, history),), 0)).first
        for history in range(2048, 60_000, 4096)
    ]  # fmt: skip
    assert prompts == sorted(prompts)
