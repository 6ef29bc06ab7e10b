"""From raw samples to a file that scenarios run on: are the numbers those that were measured?"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import kvsim

from kvsim.calibration.devices import known
from kvsim.calibration.fitting import fit, save
from kvsim.calibration.measured import Measured
from kvsim.calibration.operators import Gemms
from kvsim.calibration.samples import Samples, read
from kvsim.calibration.shapes import shapes
from kvsim.calibration.table import line, load
from kvsim.errors import InputError
from kvsim.hardware import drive, gpu, host
from kvsim.kernels.journal import Journal
from kvsim.models import Attention
from kvsim.scenario.load import apply

HEAD = {"query_heads": 8, "kv_heads": 2, "width": 64}
SMALL = {"gemm": [[96, 64], [64, 96]], "heads": [[4, 2, 16]]}


def row(group: str, ns: float, **axes: object) -> dict[str, object]:
    return {"group": group, "ns": ns, "bytes": 1, "flops": 1, **axes}


def samples(device: dict[str, object], rows: list[dict[str, object]]) -> Samples:
    told = {"sms": 132, "memory": 80 << 30, "l2": 50 << 20, **device}
    server = {"name": "A server", "cores": 16, "memory": 1 << 37}
    document = {"format": 1, "device": told, "host": server, "ssd": "/ssd", "rows": rows}
    return Samples(document, "raw.json")


def kernels() -> list[dict[str, object]]:
    """A product takes 1 us and 10 ns a row; decoding 5 us and 1 ns a token; prompts 2 ns a pair."""
    gemm = [
        row("gemm", 1000 + 10 * m, form="bf16", m=m, n=512, k=256, flops=m * 1e6)
        for m in (1, 64, 512)
    ]
    decode = [
        row("decode", 5000 + b * c, form="bf16", batch=b, context=c, **HEAD)
        for b in (1, 4) for c in (100, 1000)
    ]  # fmt: skip
    prefill = [
        row("prefill", 5000 + t * t + 2 * t * h, form="bf16", batch=1, tokens=t, history=h, **HEAD)
        for t in (16, 256) for h in (0, 1000)
    ]  # fmt: skip
    return [*gemm, *decode, *prefill]


def links() -> list[dict[str, object]]:
    """100 MB at 50 GB/s up, at 40 down, both together at 80; 4 kB in 8 us."""
    axes = {"pinned": True, "load": "none", "blocks": 1}
    large = [("h2d", 2e6, 1e8), ("d2h", 2.5e6, 1e8), ("both", 2.5e6, 2e8)]
    moved = [row("links", ns, way=way, block=1, bytes=size, **axes) for way, ns, size in large]
    return [*moved, row("links", 8e3, way="h2d", block=4096, bytes=4096, **axes)]


def test_what_was_measured_is_looked_up(tmp_path) -> None:
    path = tmp_path / "mine.json"
    save(fit(samples({"kind": "gpu", "name": "Unheard-of"}, [*kernels(), *links()]), None), path)
    found = Measured(load(str(path)), gpu(str(path)), 16, 16)
    assert found.gemm(Gemms(512, 256), 64, 16) == (1640, False)
    row, known = found.decode(Attention("full", 1, 8, 2, 64, 64), 4)
    assert line(row, 4 * 1000) == pytest.approx(9000)
    assert known == 4000


def test_a_known_gpu_keeps_its_sheet_and_gets_its_link(tmp_path) -> None:
    path = tmp_path / "mine.json"
    told = samples({"kind": "gpu", "name": "NVIDIA H100 80GB HBM3"}, [*kernels(), *links()])
    save(fit(told, "h100-sxm"), path)
    mine, sheet = gpu(str(path)), gpu("h100-sxm")
    assert (mine.bandwidth, mine.flops, mine.peer) == (sheet.bandwidth, sheet.flops, sheet.peer)
    assert mine.visible == 80 << 30
    assert (mine.host.bandwidth, mine.host.latency, mine.host.duplex) == (40e9, 8000, True)


def test_host_and_drive_come_from_the_same_file(tmp_path) -> None:
    rows = [row("dram", 1e6, way="copy", threads=16, size=1, bytes=2e8)]
    for way in ("read", "write"):
        for depth, ns in ((1, 50_000), (16, 4_000)):
            axes = {"way": way, "block": 4096, "depth": depth, "bytes": 4096}
            rows.append(row("disk", ns, **axes, by="own", direct=True, latency_ns=50_000))
    path = tmp_path / "mine.json"
    save(fit(samples({"kind": "gpu", "name": "Mine"}, [*kernels(), *links(), *rows]), None), path)
    assert host(str(path)).bandwidth == 200e9
    ssd = drive(str(path))
    assert (ssd.reads(1), ssd.reads(16), ssd.read_latency) == (20_000, 250_000, 50_000)
    assert ssd.read == pytest.approx(4096 / 4000 * 1e9)


def test_samples_without_kernels_say_what_failed(tmp_path) -> None:
    broken = [{"group": "gemm", "error": "OutOfResources: shared memory"}]
    with pytest.raises(InputError, match="OutOfResources: shared memory"):
        fit(samples({"kind": "gpu", "name": "Mine"}, broken), None)
    (tmp_path / "raw.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="no raw samples"):
        read(tmp_path / "raw.json")


def test_the_islands_shapes_are_the_catalogues() -> None:
    kept = Path(__file__).parents[2] / "kernels" / "shapes.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == shapes()


def test_cluster_gpu_is_the_nodes() -> None:
    document: dict[str, object] = {"cluster": {}}
    apply(document, "cluster.gpu=my-gpu.json")
    assert document == {"cluster": {"node": {"gpu": "my-gpu.json"}}}


def test_a_journal_goes_on_and_knows_what_was_lost(tmp_path) -> None:
    first = Journal(tmp_path / "parts")
    first.begin("gemm m=1")
    first.end("gemm m=1", {"ns": 5.0})
    first.begin("gemm m=2")
    with first.path.open("a", encoding="utf-8") as out:
        out.write('{"key": "half a li')
    again = Journal(first.path)
    assert (list(again.rows), again.begun) == (["gemm m=1"], "gemm m=2")
    again.lost("hung for 90 s")
    assert Journal(first.path).rows["gemm m=2"]["error"] == "hung for 90 s"


def test_a_measured_processor_runs_a_scenario(tmp_path, monkeypatch) -> None:
    """The whole way, with products and attention so small that it takes seconds."""
    monkeypatch.chdir(tmp_path)
    Path("shapes.json").write_text(json.dumps({"cpu": SMALL}), encoding="utf-8")
    command = [sys.executable, "-m", "kvsim.kernels", "--out=raw.json", "--device=cpu", "--quick"]
    command += ["--shapes=shapes.json", "--only", "dram", "gemm", "decode", "prefill"]
    for _ in range(2):  # the second has nothing left to do
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    rows = read(Path("raw.json")).rows
    assert not [one for one in rows if "error" in one]
    assert {one["group"] for one in rows} == {"dram", "gemm", "decode", "prefill"}
    done = kvsim("calibrate", "--from", "raw.json", "--out", "mine.json", "--json")
    assert done.returncode == 0
    assert Path("mine.svg").read_text(encoding="utf-8").startswith("<svg")
    changes = (
        "cluster.gpu=mine.json",
        "cluster.node.host=mine.json",
        "cluster.pools.0.parallel.tensor=1",
        "cluster.memory.max_model_len=8192",
        "model=qwen2.5-0.5b",
    )
    ran = kvsim("run", "multiturn", "--json", *(part for one in changes for part in ("--set", one)))
    assert ran.returncode == 0, ran.stderr
    shown = kvsim("hardware", "show", "mine.json", "--json")
    assert json.loads(shown.stdout)["measured"]["flops.bf16"] > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device=cuda:0"], "pip install 'kvsim[gpu]'"),
        (["--out=mine.yaml"], "ends in .json"),
        (["--device=cpu", "--ssd=nowhere"], "is no folder"),
        (["--from=nowhere.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(words, sentence) -> None:
    if "cuda" in words[0] and find_spec("torch"):
        pytest.skip("torch is installed")
    done = kvsim("calibrate", *words)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_drivers_names_are_found_in_the_catalogue() -> None:
    assert known("NVIDIA H100 80GB HBM3") == "h100-sxm"
    assert known("NVIDIA H200") == "h200"
    assert known("Tesla T4") == "t4"
    assert known("NVIDIA Something New") is None


def test_attention_cut_short_by_the_time_is_left_to_the_roofline() -> None:
    """One batch size says nothing of how time grows with batches."""
    other = {"query_heads": 64, "kv_heads": 8, "width": 128}
    rows = [*kernels(), *links(), row("decode", 9e3, form="bf16", batch=1, context=64, **other)]
    file = fit(samples({"kind": "gpu", "name": "Mine"}, rows), None)
    assert [part["head"] for part in file["decode_attention"]] == [[8, 2, 64, 16, 0]]
