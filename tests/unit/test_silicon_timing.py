"""Does timing silicon use what aiconfigurator-core holds, once, and say so where it does not?"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import kvsim, told
from typer.testing import CliRunner

import kvsim as kvsim_package
from kvsim.calibration import baked, digest
from kvsim.calibration.engine import engine
from kvsim.calibration.importers.aiconfigurator import ROUTING
from kvsim.calibration.measured import Measured
from kvsim.calibration.steps import OperatorTimes
from kvsim.calibration.table import digested
from kvsim.cli.app import app
from kvsim.errors import InputError
from kvsim.hardware import gpu
from kvsim.models import model
from kvsim.policies import answers
from kvsim.sim.timing import Chunk, Pace, Work

SCENARIOS = Path(kvsim_package.__file__).parent / "scenarios"
N_K_MS = {4096: 1.0, 8192: 2.0}
"""Times of a row count in the package below, for every n and k."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package with an A100's products and attention, and an empty cache folder."""
    place = tmp_path / "site" / baked.PACKAGE
    data = place / "systems" / "data" / "a100_sxm"
    said = {"framework": "VLLM", "version": "0.1", "device": "A100"}
    heads = {
        "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "kv_cache_dtype": "bfloat16",
    }  # fmt: skip
    gemm = [
        {**said, "gemm_dtype": "bfloat16", "m": m, "n": n, "k": k, "latency": ms}
        for m, ms in N_K_MS.items() for n in (1024, 8192) for k in (1024, 8192)
    ]  # fmt: skip
    prefill = [{**heads, "batch_size": 1, "isl": isl, "latency": isl / 1000} for isl in (64, 128)]
    decode = [
        {**heads, "batch_size": batch, "step": step, "latency": batch * step / 1e6}
        for batch in (1, 2) for step in (63, 127)
    ]  # fmt: skip
    for group, table, rows in (
        ("gemm", "gemm_perf", gemm),
        ("attention", "context_attention_perf", prefill),
        ("attention", "generation_attention_perf", decode),
    ):
        folder = data / group / "vllm" / "0.1"
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(folder / f"{table}.parquet")
    (place / "__init__.py").touch()
    monkeypatch.syspath_prepend(place.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    baked.baked.cache_clear()
    yield data
    baked.baked.cache_clear()


def test_a_table_holds_the_packages_times(package: Path) -> None:
    table = baked.baked("a100-80gb", "vllm")
    assert table.gemm[16].ns[1024, 8192] == (1e6, 2e6)
    ((head, (alone, _)),) = table.prefill.items()
    assert head == (32, 8, 128, 16, 0)
    assert alone == ((64, 128), (64e3, 128e3))
    assert table.origin["framework"] == "VLLM 0.1"


def test_a_table_is_made_once_and_kept(package: Path) -> None:
    first = baked.baked("a100-80gb", "vllm")
    (kept,) = baked.cache_folder().iterdir()
    stamp = kept.stat().st_mtime_ns
    baked.baked.cache_clear()
    assert baked.baked("a100-80gb", "vllm") == first
    assert kept.stat().st_mtime_ns == stamp


def test_half_a_kept_file_is_made_anew(package: Path) -> None:
    first = baked.baked("a100-80gb", "vllm")
    (kept,) = baked.cache_folder().iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    baked.baked.cache_clear()
    assert baked.baked("a100-80gb", "vllm") == first


def test_an_engine_that_was_not_measured_runs_vllms_kernels(package: Path) -> None:
    assert baked.baked("a100-80gb", "ideal") == baked.baked("a100-80gb", "vllm")


def test_steps_come_from_the_package(package: Path) -> None:
    kind, card, profile = model("llama-3.1-8b"), gpu("a100-80gb"), engine("vllm")
    work = Work(0, (0,), (0,), (Chunk(128, 0),), 1)

    def pace(timing: str) -> Pace:
        made = answers("timing").make(timing).step_time(kind, card, 1, 1, 16, 16, profile)
        return made.pace(work)

    own = Measured(baked.baked("a100-80gb", "vllm"), card, 16, 16)
    assert pace("silicon") == OperatorTimes(kind, own, 1, 1, profile).pace(work)
    assert pace("silicon") != pace("fitted")


def test_experts_come_from_the_version_of_the_products(package: Path) -> None:
    """Version 0.2 timed Mixtral's experts too, but no products."""
    shape = {"hidden_size": 4096, "inter_size": 14336, "topk": 2, "num_experts": 8}
    how = {"moe_dtype": "bfloat16", "moe_tp_size": 1, "moe_ep_size": 1}
    for version, ms in (("0.1", 3.0), ("0.2", 5.0)):
        row = {**shape, **how, "distribution": ROUTING, "num_tokens": 64, "latency": ms}
        folder = package / "moe" / "vllm" / version
        folder.mkdir(parents=True)
        pd.DataFrame([row]).to_parquet(folder / "moe_perf.parquet")
    experts = baked.baked("a100-80gb", "vllm").experts
    assert experts == {(16, 4096, 14336, 2, 8): ((64,), (3e6,))}


def test_a_run_says_which_tables_it_used(package: Path) -> None:
    def manifest(timing: str) -> Any:
        chosen = ("--set", "cluster.gpu=a100-80gb", "--set", f"policies.timing={timing}")
        return told("run", SCENARIOS / "multiturn.yaml", "--json", *chosen)["manifest"]

    fitted, silicon = manifest("fitted"), manifest("silicon")
    assert fitted["calibration_sha256"] == digest("vllm", "a100-80gb")
    assert silicon["calibration_sha256"] == digested([baked.baked("a100-80gb", "vllm")])


def test_a_gpus_page_says_under_which_engines_it_was_measured(package: Path) -> None:
    result = CliRunner().invoke(app, ["hardware", "show", "a100-80gb"])
    assert "timing silicon: kernels under vllm." in result.output


def test_the_command_ends_with_2_and_what_to_install() -> None:
    if find_spec(baked.PACKAGE):
        pytest.skip("aiconfigurator-core is installed here")
    done = kvsim("run", SCENARIOS / "multiturn.yaml", "--set", "policies.timing=silicon")
    assert done.returncode == 2
    assert "kvsim[silicon]" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_gpus_are_named() -> None:
    with pytest.raises(InputError, match=r"mi300x was not measured; there are a100-80gb, b200"):
        baked.baked("mi300x", "vllm")


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baked, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=r"pip install 'kvsim\[silicon\]'"):
        baked.baked("h200", "trtllm")
