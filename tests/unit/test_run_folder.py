"""Is a run folder whole or not there, and never anything of the user's?"""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import kvsim, told
from typer.testing import CliRunner

from kvsim.cli.app import app
from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.folder import FILES, reserve, write
from kvsim.scenario.run import Result, run

SMALL = ["workload.sessions.sessions=5"]
REQUESTS = {
    "id", "session", "turn", "client", "kind", "replica_prefill", "replica_decode", "prompt_tokens",
    "output_tokens", "generated", "arrival", "admitted", "first_token", "finish", "hit_hbm",
    "hit_dram", "hit_ssd", "hit_remote", "preemptions", "recomputed", "queue", "load", "prefill",
    "transfer", "other", "paused", "status", "reason",
}  # fmt: skip
SPANS = {
    "replica", "start", "end", "steps", "decodes", "chunk_tokens", "context", "running", "waiting",
    "kv_leased", "kv_cached", "first", "growth", "extrapolated", "flops", "bytes",
}  # fmt: skip
TIMELINE = {
    "at", "width", "running", "waiting", "decodes", "kv_leased", "kv_cached", "prefill_tokens",
    "decode_tokens", "arrived", "finished", "prompt_tokens", "hit_hbm", "hit_dram", "hit_ssd",
    "hit_remote", "busy",
}  # fmt: skip


@pytest.fixture(scope="module")
def result() -> Result:
    return run(load("multiturn", SMALL))


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What is in it


def test_a_run_leaves_the_summary_the_scenario_and_its_tables(result, tmp_path):
    folder = write(result, tmp_path / "a" / "b")
    tables = [
        f"{name}.parquet"
        for name in ("requests", "spans", "timeline", "transfers", "handoffs", "lifetimes")
    ]
    assert entries(folder) == sorted(["summary.json", "scenario.yaml", *tables])
    assert set(entries(folder)) <= set(FILES)
    assert entries(folder.parent) == ["b"]
    assert json.loads((folder / "summary.json").read_text()) == result.summary
    assert load(str(folder)) == result.machine.scenario


@pytest.mark.parametrize(
    ("name", "columns"), [("requests", REQUESTS), ("spans", SPANS), ("timeline", TIMELINE)]
)
def test_tables_have_the_columns_they_promise(name, columns, result, tmp_path):
    table = pq.read_table(write(result, tmp_path / "x") / f"{name}.parquet")
    assert columns <= set(table.column_names)


def test_requests_are_in_order_of_id_and_null_where_nothing_happened(tmp_path):
    changes = ["cluster.memory.max_model_len=1500"]  # some prompts are longer
    folder = write(run(load("multiturn", [*SMALL, *changes])), tmp_path / "x")
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {row["status"] for row in rows} == {"finished", "rejected"}
    for row in rows:
        instants = [row[name] for name in ("admitted", "first_token", "finish")]
        if row["status"] == "rejected":
            assert instants == [None] * 3
            assert "more than max_model_len 1500" in row["reason"]
        else:
            assert row["arrival"] <= instants[0] <= instants[1] <= instants[2]
            assert row["reason"] is None


def test_tables_say_what_the_summary_says(result, tmp_path):
    folder = write(result, tmp_path / "x")
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    spans = pq.read_table(folder / "spans.parquet").to_pydict()
    timeline = pq.read_table(folder / "timeline.parquet").to_pydict()
    summary = result.summary
    ttft = [(row["first_token"] - row["arrival"]) / 1e9 for row in rows]
    assert summary["ttft_s"]["mean"] == pytest.approx(sum(ttft) / len(ttft))
    assert summary["cache"]["prompt_tokens"] == sum(row["prompt_tokens"] for row in rows)
    assert summary["cache"]["by_tier"]["hbm"] == sum(row["hit_hbm"] for row in rows)
    assert summary["simulator"]["steps"] == sum(spans["steps"])
    assert sum(timeline["finished"]) == summary["requests"]["finished"]
    assert sum(timeline["prompt_tokens"]) == summary["cache"]["prompt_tokens"]


# Where it may be


def test_a_run_folder_is_replaced_whole(result, tmp_path):
    folder = write(result, tmp_path / "x")
    (folder / "trace.perfetto.json").write_text("of the earlier run")
    write(result, folder)
    assert "trace.perfetto.json" not in entries(folder)
    assert entries(tmp_path) == ["x"]


def test_an_empty_folder_becomes_a_run_folder(result, tmp_path):
    (tmp_path / "x").mkdir()
    assert "summary.json" in entries(write(result, tmp_path / "x"))


def test_the_folder_one_stands_in_can_be_replaced(result, tmp_path, monkeypatch):
    folder = write(result, tmp_path / "x")
    monkeypatch.chdir(folder)
    write(result, Path())
    assert "summary.json" in entries(tmp_path / "x")
    assert entries(tmp_path) == ["x"]


def other_files(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years")


def notes_in_a_run(folder: Path) -> None:
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")


def a_file(folder: Path) -> None:
    folder.write_text("a file")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (other_files, "exists and is not a run folder; choose another --out"),
        (notes_in_a_run, "would be replaced, and holds 'notes.txt'"),
        (a_file, "exists and is not a run folder"),
    ],
)
def test_what_is_no_run_folder_is_refused_before_the_run_and_left_alone(make, said, tmp_path):
    folder = tmp_path / "x"
    make(folder)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    # a run of this scenario would take days
    done = kvsim("run", "multiturn", "--json", "--set", "workload.sessions.sessions=1000000000",
                 "--out", folder)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "x", Path("/proc/x")):
        with pytest.raises(InputError, match="cannot be made"):
            reserve(place)


def test_json_alone_writes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told("run", "multiturn", "--json", "--set", SMALL[0])
    assert entries(tmp_path) == []


def test_without_out_a_run_goes_where_its_name_and_content_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", "multiturn", "--set", SMALL[0], "--set", "name=../a b"]
    for _ in range(2):  # the same scenario, the same folder
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("a-b-")
    assert f"Written to runs/{folder.name}" in done.stdout
    assert set(entries(folder)) == set(FILES) - {"trace.perfetto.json"}
    CliRunner().invoke(app, [*words, "--seed", "2"])
    assert len(entries(tmp_path / "runs")) == 2


# Interrupted


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError("no space left"), InputError("no")])
def test_an_interrupted_write_leaves_what_was_there(fault, result, tmp_path):
    def breaks(draft: Path) -> None:
        assert "summary.json" in entries(draft)  # as late as can be
        raise fault

    with pytest.raises(type(fault) if isinstance(fault, Exception) else fault):
        write(result, tmp_path / "x", breaks)
    assert entries(tmp_path) == []
    folder = write(result, tmp_path / "x")
    before = (folder / "summary.json").stat().st_ino
    with pytest.raises(type(fault) if isinstance(fault, Exception) else fault):
        write(result, folder, breaks)
    assert (folder / "summary.json").stat().st_ino == before
    assert entries(tmp_path) == ["x"]


def test_what_a_killed_run_has_left_is_in_nobodys_way(result, tmp_path):
    for left in (".x.unfinished", ".x.replaced"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "summary.json").write_text("half")
    write(result, tmp_path / "x")
    assert entries(tmp_path) == ["x"]


def test_partial_results_are_marked_in_the_folder_too(tmp_path):
    scenario = load("multiturn", ["workload.sessions.sessions=100000"])
    cut = run(scenario, look=lambda now, recorder: True)
    folder = write(cut, tmp_path / "x")
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert summary["partial"] == "interrupted"
    status = pq.read_table(folder / "requests.parquet").column("status").to_pylist()
    assert status.count("finished") == summary["requests"]["finished"] < len(status)
