"""Are the points of a benchmark ready to be timed, and do their checks see a wrong kernel?

Small versions of what runs on a GPU, in Triton's interpreter where there is none.
"""

import os

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make kernels")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
pytest.importorskip("triton", reason="needs triton: make kernels")

from kvsim.kernels import attention, blocks, gemm, moving
from kvsim.kernels.groups import GPU
from kvsim.kernels.point import Bench
from kvsim.kernels.worker import OFF, key_of

pytestmark = pytest.mark.filterwarnings("ignore")
HEADS = (4, 2, 64)
BENCH = Bench(DEVICE, True, 4, 1 << 22, None, ((64, 96),), (HEADS,))
READY = {
    **{f: lambda f=f: attention._decode(BENCH, f, HEADS, 2, 40) for f in attention.FORMS},
    "latent": lambda: attention._latent(BENCH, 20, 1, 40),
    "prefill": lambda: attention._prefill(BENCH, HEADS, 20, 16),
    "cascade": lambda: attention._cascade(BENCH, HEADS, 3, 70, 20),
    "pages": lambda: attention._pages(BENCH, HEADS, 1, 1024),
    "quantise": lambda: moving._codes(BENCH, "int4", "quantise", 16),
    "dequantise": lambda: moving._codes(BENCH, "int2", "dequantise", 16),
    "gather": lambda: moving._blocks(BENCH, "gather", 4096, 2),
    "scatter": lambda: moving._blocks(BENCH, "scatter", 4096, 2),
    "read": lambda: moving._stream(BENCH, "read", 1 << 16),
    "write": lambda: moving._stream(BENCH, "write", 1 << 16),
    "copy": lambda: moving._stream(BENCH, "copy", 1 << 16),
    "gemm": lambda: gemm._prepare(BENCH, "bf16", 8, 64, 96),
}


@pytest.mark.parametrize("name", READY)
def test_a_point_is_right_and_runs(name) -> None:
    ready = READY[name]()
    assert ready.bytes > 0
    if ready.check is not None:
        assert ready.check() <= OFF
    for i in range(3):
        ready.call(i)


def test_a_wrong_kernel_is_seen(monkeypatch) -> None:
    monkeypatch.setattr(blocks, "scatter", lambda packed, ids, pool: None)
    ready = moving._blocks(BENCH, "gather", 4096, 2)
    assert ready.check is not None
    assert ready.check() > OFF


def test_no_two_points_have_one_name() -> None:
    for quick in (True, False):
        place = Bench("cuda:0", quick, 132, 1 << 36, "/ssd", ((64, 96),), (HEADS, (8, 1, 128)))
        for name, group in GPU.items():
            if name == "peers":
                continue
            keys = [key_of(name, point) for point in group.points(place)]
            assert len(keys) == len(set(keys)) > 0, name
