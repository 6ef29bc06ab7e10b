"""Do kernels take as long on this GPU as its calibration says? Needs an NVIDIA GPU.

The bounds are the calibration's own residuals: what it misses by on points held back.
"""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch and a GPU")
if not torch.cuda.is_available():
    pytest.skip("needs an NVIDIA GPU", allow_module_level=True)

from kvsim.calibration.devices import known  # noqa: E402
from kvsim.calibration.fitting import fit, save  # noqa: E402
from kvsim.calibration.samples import read  # noqa: E402
from kvsim.calibration.scatter import pairs  # noqa: E402
from kvsim.calibration.table import calibrations, load, parse  # noqa: E402
from kvsim.hardware import gpu  # noqa: E402

pytestmark = pytest.mark.gpu
MEDIAN = 0.15
"""Median error by kind on points that the file holds: they differ from it by smoothing alone."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "raw.json"
    command = [sys.executable, "-m", "kvsim.kernels", f"--out={path}", "--quick", "--budget=60"]
    subprocess.run([*command, "--only", "stream", "gemm", "decode", "prefill"], check=True)
    return read(path)


def median(errors: list[float]) -> float:
    return sorted(errors)[len(errors) // 2]


def test_no_kernel_failed(raw) -> None:
    assert [row["error"] for row in raw.failed] == []


def test_the_fit_holds_its_own_points(raw, tmp_path) -> None:
    path = tmp_path / "mine.json"
    file = fit(raw, known(raw.device["name"]))
    save(file, path)
    found = pairs(raw, parse(file), gpu(str(path)))
    for kind in {pair.kind for pair in found}:
        errors = [abs(p.fitted / p.measured - 1) for p in found if p.kind == kind]
        assert median(errors) <= MEDIAN, kind


def test_products_take_as_long_as_the_shipped_table_says(raw) -> None:
    """Where this GPU has a shipped calibration: other software, so thrice its median residual."""
    name = known(raw.device["name"])
    if name not in calibrations():
        pytest.skip(f"{raw.device['name']} has no shipped calibration")
    table = load(name)
    bound = 3 * max(row[3] for row in table.residuals if str(row[0]).startswith("GEMM bf16"))
    errors = [
        abs(p.fitted / p.measured - 1) for p in pairs(raw, table, gpu(name)) if p.kind == "products"
    ]
    assert median(errors) <= bound


def test_streams_reach_most_of_the_data_sheet(raw) -> None:
    name = known(raw.device["name"])
    if name is None:
        pytest.skip(f"{raw.device['name']} is not in the catalogue")
    reached = raw.best("stream", 256 << 20)
    assert reached is not None
    assert 0.7 < reached / gpu(name).bandwidth <= 1.02
