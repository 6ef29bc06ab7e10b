"""Do kernels that share prefixes, and workers that attend elsewhere, obey what a pace promises?"""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvsim.calibration import attending
from kvsim.calibration.residing import Residing
from kvsim.policies import answers
from kvsim.scenario.build import build
from kvsim.scenario.load import load
from kvsim.scenario.residing import site
from kvsim.sim.timing import FRACTION, Chunk, StepTime, Work

MODELS = (("llama-3.1-70b", 4), ("gemma-3-27b", 2))
KERNELS = [name for name in answers("attention").names() if name != "plain"]
RESIDENCES = [name for name in answers("residency").names() if name != "hbm"]
HELD = 100_000
"""Tokens of KV in HBM before a worker gets any."""


@cache
def plain(model: str, tensor: int):
    cluster = {"pools.0.parallel.tensor": tensor, "pools.0.replicas": 1}
    sets = [f"model={model}", *(f"cluster.{key}={value}" for key, value in cluster.items())]
    machine = build(load("multiturn", sets))
    return machine, machine.pools[0]


@cache
def shared(model: str, tensor: int, kernel: str) -> StepTime:
    return attending(answers("attention").make(kernel).kernel(), plain(model, tensor)[1].timing)


@cache
def residing(model: str, tensor: int, name: str) -> StepTime:
    machine, part = plain(model, tensor)
    place = site(machine.scenario, part.pool, machine.model, part.gpu, machine.profile, 2048)
    home = answers("residency").make(name).residence(place)
    inside = HELD if home.hbm_first else 0
    return Residing(part.timing, home, place, inside)


def decoding(timing: StepTime, size: int, context: int, growing: int, after: int, share: float):
    """`size` decodes after `after` steps, of whose tokens a `share` is read by others too."""
    total = size * context + growing * after
    seen = tuple(
        total if one.window is None else size * min(context, one.window) for one in timing.classes
    )
    grows = tuple(growing if one.window is None else 0 for one in timing.classes)
    common = int(context * share) * (size - 1)
    return Work(size, seen, grows, (), size, common)


timings = st.one_of(
    st.builds(lambda one, kernel: shared(*one, kernel),
              st.sampled_from(MODELS), st.sampled_from(KERNELS)),
    st.builds(lambda one, name: residing(*one, name),
              st.sampled_from(MODELS), st.sampled_from(RESIDENCES)),
)  # fmt: skip
shares = st.sampled_from([0.0, 0.3, 0.9])


@given(timings, st.integers(1, 300), st.integers(1, 50_000), shares, st.data())
def test_a_pace_is_what_asking_again_would_give(timing, size, context, share, data) -> None:
    if isinstance(timing, Residing):
        share = 0.0  # such a replica cannot share: building one is refused
    growing = data.draw(st.integers(0, size))
    pace = timing.pace(decoding(timing, size, context, growing, 0, share))
    assert pace.steps >= 1
    steps = data.draw(st.integers(0, min(pace.steps, 5000) - 1))
    again = timing.pace(decoding(timing, size, context, growing, steps, share))
    assert again.first == pace.first + steps * pace.growth


@given(timings, st.integers(0, 300), st.integers(1, 50_000), shares,
       st.lists(st.tuples(st.integers(1, 2048), st.integers(0, 30_000)), max_size=2))  # fmt: skip
def test_no_step_beats_the_hardware(timing, size, context, share, chunks) -> None:
    if not size and not chunks:
        return
    share = 0.0 if isinstance(timing, Residing) or not size else share
    work = decoding(timing, size, context, size, 0, share)._replace(
        chunks=tuple(Chunk(*chunk) for chunk in chunks), sampled=size + len(chunks)
    )
    seconds = timing.pace(work).first / (1 << FRACTION) / 1e9
    assert timing.flops(work)[0] <= seconds * timing.peak_flops * (1 + 1e-9)
    assert timing.bytes_moved(work)[0] <= seconds * timing.bandwidth * (1 + 1e-9)


@pytest.mark.parametrize("kernel", [name for name in KERNELS if name != "tree_attention"])
def test_sharing_a_long_prefix_is_worth_its_kernels_and_sharing_nothing_costs_nothing(kernel):
    model = MODELS[0]
    bare, timing = plain(*model)[1].timing, shared(*model, kernel)
    apart = decoding(timing, 64, 8192, 64, 0, 0.0)
    assert timing.pace(apart) == bare.pace(apart)
    together = decoding(timing, 64, 8192, 64, 0, 0.9)
    assert timing.pace(together).first < bare.pace(together).first
    assert timing.bytes_moved(together)[0] < bare.bytes_moved(together)[0]
    assert timing.flops(together) == bare.flops(together)


def test_what_fits_into_hbm_takes_what_it_takes_without_a_worker():
    model = MODELS[0]
    bare, timing = plain(*model)[1].timing, residing(*model, "neo")
    work = decoding(timing, 64, 1000, 64, 0, 0.0)
    pace, alone = timing.pace(work), bare.pace(work)
    assert (pace.first, pace.growth) == (alone.first, alone.growth)
    assert pace.steps == min(alone.steps, (HELD - 64_000) // 64 + 1)


def test_a_slow_worker_sets_the_pace():
    """A drive's channels: 0.1 of 10^6 tokens of 327,680 bytes at 4 x 11.2 GB/s take 0.73 s."""
    timing = residing(*MODELS[0], "instinfer")
    work = decoding(timing, 100, 1000, 0, 0, 0.0)
    seconds = timing.pace(work).first / (1 << FRACTION) / 1e9
    assert seconds == pytest.approx(100_000 * 327_680 / (4 * 11.2e9), rel=0.05)
