"""Does loading from drives still compare with the published measurement as the page says?"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from kvsim.hardware import drive, nic
from kvsim.models import model

FILE = Path(__file__).parents[2] / "docs" / "experiments" / "nvme.py"
SESSION = 29_792 * model("qwen3-coder-480b-a35b").layout.bytes_per_token()
"""Bytes that are loaded: whole blocks of 16 tokens before the last token."""


@pytest.fixture(scope="module")
def nvme() -> ModuleType:
    spec = spec_from_file_location("nvme", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sheets(nvme: ModuleType) -> dict[tuple[str, int], tuple[float, float]]:
    return nvme.predicted(nvme.SHEETS)


@pytest.mark.parametrize("sessions", [8, 16, 32])
def test_a_wave_takes_its_bytes_over_the_bandwidth_of_its_medium(sheets, sessions) -> None:
    for medium, speed in (
        ("Local NVMe", drive("nvme-gen4").read),
        ("NVMe-oF", nic("rdma-100g").link.payload),
    ):
        transfer = sessions * SESSION / speed
        assert transfer < sheets[medium, sessions][0] < transfer + 0.1  # a step for 8 tokens each


def test_local_drives_agree_with_the_measurement(nvme, sheets) -> None:
    for sessions, tolerance in ((8, 0.25), (16, 0.05), (32, 0.05)):
        measured = nvme.MEASURED["Local NVMe", sessions].ttft_p50
        assert sheets["Local NVMe", sessions][0] == pytest.approx(measured, rel=tolerance)


def test_the_page_shows_what_kvsim_says_now(nvme, sheets) -> None:
    page = nvme.PAGE.read_text(encoding="utf-8")
    iostat = nvme.predicted(nvme.IOSTAT)
    lines = [*nvme.times(sheets, iostat), *nvme.ratios(sheets, iostat)]
    missing = [line for line in lines if line not in page]
    assert not missing, "python docs/experiments/nvme.py writes them"
