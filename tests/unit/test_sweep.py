"""goodput, sweep, plan and check: do they find what single runs say?"""

import json

import pytest
from commands import kvsim, told
from scenarios import written

CHAT = """
name: chat
model: llama-3.1-8b
cluster: {node: {gpu: h100-sxm, gpus: 2}, pools: [{role: unified, replicas: 1}]}
policies: {scheduler: {chunked_prefill: {tokens: 2048, sequences: 64}}}
workload:
  open_loop: {rate: 8/s, requests: 300, input_tokens: 800, output_tokens: 60}
slo: {ttft: 400 ms, tpot: 25 ms}
"""


@pytest.fixture
def chat(tmp_path):
    """A scenario of 300 requests on one GPU."""
    return written(tmp_path, CHAT)


def test_goodput_is_the_rate_where_attainment_crosses(chat):
    found = told("goodput", chat, "--json")
    assert found["attainment"] >= 0.9
    assert found["goodput_rps_per_gpu"] == found["goodput_rps"]
    met = max(one["factor"] for one in found["probes"] if one["met"])
    missed = min(one["factor"] for one in found["probes"] if not one["met"])
    assert met == found["rate_factor"] < missed <= met * 1.0201
    rate = "workload.open_loop.rate"
    above = told("run", chat, "--json", "--set", f"{rate}={8 * missed}/s")
    below = told("run", chat, "--json", "--set", f"{rate}={8 * met}/s")
    assert above["slo"]["attainment"] < 0.9 <= below["slo"]["attainment"]


def test_an_early_stop_never_changes_the_verdict(chat):
    longer = ("--set", "workload.open_loop.requests=2000")
    found = told("goodput", chat, "--json", *longer)
    early = [one for one in found["probes"] if one["early"]]
    assert early
    for one in early:
        rate = f"workload.open_loop.rate={8 * one['factor']}/s"
        whole = told("run", chat, "--json", "--set", rate, *longer)
        assert (whole["slo"]["attainment"] >= 0.9) == one["met"]


def test_sweep_gives_the_numbers_of_single_runs_and_goes_on_where_it_was(chat, tmp_path):
    grid, out = "cluster.gpu=h100-sxm,h200", tmp_path / "sweep"
    found = told("sweep", chat, "--grid", grid, "--jobs", "1", "--out", out, "--json")["points"]
    for point in found:
        alone = told("run", chat, "--json", "--set", f"cluster.gpu={point['cluster.gpu']}")
        assert point["ttft_p99_s"] == alone["ttft_s"]["p99"]
    kept = sorted((out / "points").glob("*.json"))
    assert len(kept) == 2
    stamps = [file.stat().st_mtime_ns for file in kept]
    again = told("sweep", chat, "--grid", grid, "--jobs", "1", "--out", out, "--json")["points"]
    assert again == found
    assert [file.stat().st_mtime_ns for file in kept] == stamps
    assert "</html>" in (out / "sweep.html").read_text(encoding="utf-8")


def test_a_point_that_cannot_run_is_told_and_the_others_run(chat, tmp_path):
    done = kvsim("sweep", chat, "--grid", "model=llama-3.1-8b,llama-3.1-70b", "--json")
    points = json.loads(done.stdout)["points"]
    assert done.returncode == 1
    assert [point["error"] is None for point in points] == [True, False]


def test_plan_finds_the_cheapest_that_meets_the_slo(chat, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text(
        "paths: {cluster.gpu: [h100-sxm, h200], cluster.pools.0.replicas: [1, 2]}\n",
        encoding="utf-8",
    )
    more = ("--set", "workload.open_loop.rate=30/s")
    done = kvsim("plan", chat, "--space", space, "--json", *more)
    found = json.loads(done.stdout)
    for one in found["candidates"]:
        changes = [f"cluster.gpu={one['cluster.gpu']}",
                   f"cluster.pools.0.replicas={one['cluster.pools.0.replicas']}"]  # fmt: skip
        words = [word for change in changes for word in ("--set", change)]
        summary = told("run", chat, "--json", *more, *words)
        if one["was_run"]:
            assert one["met"] == (summary["slo"]["attainment"] >= 0.9)
    met = [one["usd_per_hour"] for one in found["candidates"] if one["met"]]
    assert found["best"]["usd_per_hour"] == min(met)


def test_check_says_which_claim_fails(chat, tmp_path):
    kvsim("run", chat, "--out", tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    p99 = summary["ttft_s"]["p99"]
    held = kvsim("check", tmp_path / "run", "--assert", f"ttft_s.p99 < {p99 * 1.01} s")
    failed = kvsim("check", tmp_path / "run", "--assert", f"ttft_s.p99 < {p99 * 990} ms")
    assert (held.returncode, failed.returncode) == (0, 1)
    assert "FAILS" in failed.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["goodput", "{chat}", "--attainment", "1.5"], "--attainment"),
        (["goodput", "{chat}", "--set", "slo={}"], "goodput needs objectives"),
        (["sweep", "{chat}", "--grid", "cluster.gpu"], "cluster.gpu"),
        (["sweep", "{chat}", "--grid", "cluster.gpu=h100-sxm", "--executor", "slurm"], "slurm"),
        (["sweep", "nowhere", "--grid", "cluster.gpu=h100-sxm"], "no scenario 'nowhere'"),
        (["sweep", "{chat}", "--grid", "cluster.gpu=h100-sxm", "--set", "slot=1"], "key 'slot'"),
        (
            ["sweep", "{chat}", "--grid", "cluster.gpu=h100-sxm", "--out", "{chat}"],
            "cannot be made",
        ),
        (["plan", "{chat}", "--space", "placement", "--out", "{chat}"], "cannot be made"),
        (["plan", "{chat}", "--space", "nothing.yaml"], "nothing.yaml"),
        (["check", "nowhere", "--assert", "ttft_s.p99 < 2 s"], "nowhere is no run folder"),
    ],
)
def test_what_cannot_be_done_is_said(chat, words, said):
    done = kvsim(*(word.format(chat=chat) if "{chat}" in word else word for word in words))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_from_python_names_its_values_and_adds_columns(chat, tmp_path):
    from kvsim.sweep import sweep

    grid = {"cluster.pools": {"one": [{"replicas": 1}], "two": [{"replicas": 2}]}, "seed": [1, 2]}
    more = {"workload.open_loop.requests": 50}
    table = sweep(chat, grid, more, also={"hours": "cost.gpu_hours"}, folder=tmp_path, jobs=1)
    assert list(table["cluster.pools"]) == ["one", "one", "two", "two"]
    assert list(table["seed"]) == [1, 2, 1, 2]
    pools = ("--set", "cluster.pools=[{replicas: 2}]", "--set", "workload.open_loop.requests=50")
    alone = told("run", chat, "--json", *pools, "--seed", "2")
    assert table.iloc[3]["ttft_p99_s"] == alone["ttft_s"]["p99"]
    assert table.iloc[3]["hours"] == alone["cost"]["gpu_hours"]
    assert len(list((tmp_path / "points").glob("*.json"))) == 4


GRID = "workload.open_loop.input_tokens=100,200,300"
"""Three points of 20 requests; each is kept under its own hash."""
FEW = ("--set", "workload.open_loop.requests=20")


def kept(folder) -> dict[str, int]:
    """When each finished point was written."""
    return {file.name: file.stat().st_mtime_ns for file in (folder / "points").glob("*.json")}


def test_a_sweep_goes_on_after_losing_points_without_running_the_others(chat, tmp_path):
    words = ("sweep", chat, "--grid", GRID, "--jobs", "2", "--out", tmp_path, "--json", *FEW)
    whole = json.loads(kvsim(*words).stdout)["points"]
    before = kept(tmp_path)
    lost = sorted(before)[1]
    (tmp_path / "points" / lost).unlink()
    half_written = (tmp_path / "points" / lost).with_suffix(".4242")  # of a killed process
    half_written.write_text('{"summary": {"req', encoding="utf-8")
    assert json.loads(kvsim(*words).stdout)["points"] == whole
    after = kept(tmp_path)
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} == {lost}


def test_a_point_is_run_again_when_its_trace_has_changed(chat, tmp_path):
    from kvsim.sweep import sweep

    trace = tmp_path / "trace.jsonl"
    rows = [{"timestamp": at, "input_length": 100, "output_length": 5, "hash_ids": [at]}
            for at in range(3)]  # fmt: skip
    grid = {"workload": [{"trace": {"file": str(trace), "format": "mooncake"}}]}
    for count in (2, 3):
        lines = "".join(json.dumps(row) + "\n" for row in rows[:count])
        trace.write_text(lines, encoding="utf-8")
        assert sweep(chat, grid, folder=tmp_path)["finished"].item() == count
    assert len(kept(tmp_path)) == 2


def test_a_fault_of_the_program_is_a_row_and_is_tried_again(chat, tmp_path, monkeypatch):
    from kvsim.sweep import grid, sweep

    def fails(scenario):
        raise ZeroDivisionError("by nought")

    axis = {"seed": [1, 2]}
    with monkeypatch.context() as broken:
        broken.setattr(grid, "run", fails)
        table = sweep(chat, axis, {"workload.open_loop.requests": 5}, folder=tmp_path, jobs=1)
    assert list(table["error"]) == ["ZeroDivisionError: by nought"] * 2
    assert kept(tmp_path) == {}
    table = sweep(chat, axis, {"workload.open_loop.requests": 5}, folder=tmp_path, jobs=1)
    assert list(table["error"]) == [None, None]


def test_the_table_is_one_parquet_file_with_failed_points_in_it(chat, tmp_path):
    import pandas as pd

    models = "model=llama-3.1-8b,llama-3.1-70b"  # the second does not fit into one GPU
    done = kvsim("sweep", chat, "--grid", models, "--out", tmp_path, *FEW)
    table = pd.read_parquet(tmp_path / "points.parquet")
    assert list(table["model"]) == ["llama-3.1-8b", "llama-3.1-70b"]
    assert list(table["error"].isna()) == [True, False]
    assert table["finished"][0] == 20
    assert done.stdout.count("failed:") == 1
    assert table["error"][1] in (tmp_path / "sweep.html").read_text(encoding="utf-8")


def test_values_of_the_grid_are_not_cut_off_in_a_narrow_terminal(chat, tmp_path):
    words = "policies.router=round_robin,prefix_aware"
    done = kvsim("sweep", chat, "--grid", words, "--out", tmp_path, *FEW, COLUMNS="80")
    assert "…" not in done.stdout
    assert "prefix_aware" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ([0.0, 10.0], [0, 5, 10]),
        ([15.96, 25.14], [14, 16, 18, 20, 22, 24, 26]),
        ([0.61], [0.6, 0.8]),
        ([0.0], [0, 0.5]),
    ],
)
def test_axes_have_round_numbers_around_all_values(values, marks):
    from kvsim.sweep.page import ticks

    found = ticks(values)
    assert found[0] <= min(values)
    assert found[-1] >= max(values)
    assert found == pytest.approx(marks)
