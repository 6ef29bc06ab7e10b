"""Do comparisons, hit rates and explanations say as JSON what they promise?"""

import json

import pytest
from commands import told
from typer.testing import CliRunner

from kvsim.cli.app import app
from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.folder import write
from kvsim.scenario.load import SAMPLES
from kvsim.scenario.run import run

SAMPLE = SAMPLES / "mooncake_200.jsonl.gz"
SMALL = "workload.sessions.sessions=10"
QUICK = ["compare", "multiturn", "--json", "--set-a", SMALL, "--set-b", SMALL]


# compare


def test_a_scenario_is_compared_with_itself_changed():
    found = told(*QUICK, "--set-b", "cluster.pools.0.replicas=1")
    names = [one["name"] for one in found["runs"]]
    assert names == [f"multiturn {SMALL}", f"multiturn {SMALL} cluster.pools.0.replicas=1"]
    one, other = (one["summary"] for one in found["runs"])
    assert one["requests"] == other["requests"]  # the same workload
    assert one["memory"]["kv_capacity_tokens"] == 2 * other["memory"]["kv_capacity_tokens"]
    assert found["differences"]["memory.kv_capacity_tokens"] == [-0.5]


def test_without_a_change_nothing_differs():
    differences = told(*QUICK)["differences"]
    assert {"ttft_s.p99", "slo.goodput_rps", "gpu.mfu", "cost.usd"} <= set(differences)
    assert {value for (value,) in differences.values()} <= {0.0, None}


def test_several_scenarios_are_compared_with_the_first():
    found = told("compare", "mooncake", "mooncake", "mooncake", "--json")
    assert [one["name"] for one in found["runs"]] == ["mooncake"] * 3
    assert found["differences"]["e2e_s.mean"] == [0.0, 0.0]


def test_seed_and_trace_are_for_both():
    found = told("compare", "mooncake", "azure", "--trace", "mooncake_200.jsonl.gz", "--json",
                 "--seed", 3)  # fmt: skip
    assert [one["summary"]["manifest"]["seed"] for one in found["runs"]] == [3, 3]
    arrived, dropped = ([one["summary"]["requests"][name] for one in found["runs"]]
                        for name in ("arrived", "dropped"))  # fmt: skip
    assert [a + d for a, d in zip(arrived, dropped, strict=True)] == [200, 200]


def test_run_folders_are_read_and_with_a_change_run_again(tmp_path):
    result = run(load("multiturn", [SMALL]))
    folder = write(result, tmp_path / "mine")
    stored, again = told("compare", folder, folder, "--set-b", "seed=2", "--json")["runs"]
    assert (stored["name"], again["name"]) == ("mine", "multiturn seed=2")
    assert stored["summary"] == json.loads(json.dumps(result.summary))
    assert again["summary"]["manifest"]["seed"] == 2
    both = told("compare", folder, folder, "--seed", 4, "--json")["runs"]
    assert [one["summary"]["manifest"]["seed"] for one in both] == [4, 4]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"partial": null}'])
def test_a_folder_with_another_summary_is_refused(text, tmp_path):
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match=r"summary\.json (cannot be read|is no summary)"):
        told("compare", tmp_path, "multiturn", "--json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["multiturn"], "needs two scenarios, or one with --set-a and --set-b"),
        (["a", "b", "c", "--set-a", "seed=1"], "--set-a and --set-b change the first two"),
        (["multiturn", "nowhere"], "There is no scenario 'nowhere'"),
        (["multiturn", "--set-a", "sede=1"], "unknown key 'sede'. Did you mean 'seed'?"),
    ],
)
def test_wrong_comparisons_say_why(words, said):
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        told("compare", *words, "--json")


def test_partial_runs_are_told_and_end_with_1(tmp_path):
    result = run(load("multiturn", [SMALL]))
    result.summary["partial"] = "interrupted"
    folder = str(write(result, tmp_path / "cut"))
    done = CliRunner().invoke(app, ["compare", folder, folder, "--json"])
    assert done.exit_code == 1
    assert "Partial results: cut." in done.stderr
    assert len(json.loads(done.stdout)["runs"]) == 1  # the second was not asked for any more


# hitrate


def test_hit_rates_are_points_of_curves():
    found = told("hitrate", "--trace", SAMPLE, "--capacities", "10,1k", "--policies",
                 "lru,belady", "--json")  # fmt: skip
    assert found["block_tokens"] == 512
    curves = found["curves"]
    assert [(one["policy"], one["capacity_blocks"]) for one in curves] == [
        ("lru", 10), ("lru", 1000), ("belady", 10), ("belady", 1000)]  # fmt: skip
    for one in curves:
        assert {"policy", "capacity_blocks", "hit_blocks", "total_blocks", "hit_rate"} < set(one)
        assert one["hit_rate"] == one["hit_blocks"] / one["total_blocks"]
        assert one["token_hit_rate"] == one["hit_tokens"] / one["total_tokens"]
    rates = {(one["policy"], one["capacity_blocks"]): one["hit_rate"] for one in curves}
    assert rates["lru", 10] <= rates["lru", 1000]
    assert all(rates["lru", size] <= rates["belady", size] for size in (10, 1000))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--capacities", "0"], "'0' is no number of blocks"),
        (["--capacities", "10,,5"], "'' is no number of blocks"),
        (["--capacities", "many"], "'many' is no number of blocks"),
        (["--policies", "lru,lfx"], "Did you mean 'lfu'"),
        (["--format", "moon"], "Did you mean 'mooncake'"),
    ],
)
def test_wrong_questions_about_hit_rates_say_why(words, said):
    with pytest.raises(InputError, match=said):
        told("hitrate", "--trace", SAMPLE, *words, "--json")


def test_a_trace_without_block_ids_can_hit_nothing():
    with pytest.raises(InputError, match="has no block ids"):
        told("hitrate", "--trace", str(SAMPLE).replace("mooncake_200.jsonl", "azure_conv_1000.csv"))


# explain


def test_memory_is_told_to_the_last_byte_and_steps_in_parts():
    (pool,) = told("explain", "multiturn", "--json")["pools"]
    memory = pool["memory"]
    parts = ("unused", "weights", "activations", "context", "graphs", "kv")
    left = memory["reported_bytes"] - sum(memory[f"{part}_bytes"] for part in parts)
    assert 0 <= left < 16 * 327_680  # less than a block of 16 tokens, 320 KiB each
    assert memory["weights_bytes"] == pytest.approx(70.55e9 * 2 / 4, rel=1e-3)
    assert memory["kv_tokens"] == memory["kv_blocks"] * 16
    for step in pool["step_times"]:
        assert sum(step["parts_ms"].values()) == pytest.approx(step["ms"], rel=1e-6)
        assert 0 < step["mfu"] < 1
        assert 0 < step["mbu"] < 1


def test_changes_are_explained():
    few, many = (
        told("explain", "mooncake", "--json", "--set", f"cluster.memory.blocks={blocks}")
        for blocks in (1000, 2000)
    )
    assert few["pools"][0]["memory"]["kv_tokens"] == 16_000
    assert many["pools"][0]["memory"]["kv_tokens"] == 32_000
    assert few["pools"][0]["memory"]["blocks_given"] is True


def test_a_run_folder_is_explained_as_its_scenario(tmp_path):
    folder = write(run(load("multiturn", [SMALL])), tmp_path / "mine")
    assert told("explain", folder, "--json") == told("explain", "multiturn", "--json")


def test_a_request_of_a_run_is_explained(tmp_path):
    result = run(load("multiturn", [SMALL]))
    folder = write(result, tmp_path / "mine")
    row = told("explain", folder, "--request", 0, "--json")
    facts = result.facts.requests
    assert (row["id"], row["arrival"], row["finish"]) == (
        0, facts["arrival"][0], facts["finish"][0])  # fmt: skip
    parts = ("queue", "load", "prefill", "transfer", "other")
    assert sum(row[part] for part in parts) == row["first_token"] - row["arrival"]
    assert row["why"]
    with pytest.raises(InputError, match="has no request 99999; ids go from 0 to"):
        told("explain", folder, "--request", 99999)


def test_a_request_of_no_run_is_not_explained(tmp_path):
    with pytest.raises(InputError, match="is not a run folder: it has no requests"):
        told("explain", "multiturn", "--request", 1)
    (tmp_path / "requests.parquet").write_text("no")
    with pytest.raises(InputError, match=r"requests\.parquet is not Parquet"):
        told("explain", tmp_path, "--request", 1)
