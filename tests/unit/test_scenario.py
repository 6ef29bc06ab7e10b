"""Is a scenario read as written, changed as told, and shown as it is?"""

from pathlib import Path

import pytest
import yaml
from scenarios import document, refused, written

from kvsim.errors import InputError
from kvsim.scenario import dump, load, names
from kvsim.scenario.build import build
from kvsim.scenario.load import SHIPPED, apply, parse, read
from kvsim.scenario.run import run
from kvsim.units import MS, SECOND

# Reading and writing


@pytest.mark.parametrize("name", names())
def test_what_is_dumped_is_read_back_the_same(name, tmp_path):
    scenario = load(name)
    text = dump(scenario)
    again = load(written(tmp_path, text))
    assert again == scenario
    assert dump(again) == text


@pytest.mark.parametrize("name", names())
def test_every_shipped_scenario_can_be_built(name):
    machine = build(load(name))
    assert len(machine.peaks) == len(machine.simulation.cluster.engines)
    assert all(part.capacity.left > 0 for part in machine.pools)


def test_a_shipped_scenario_is_called_as_its_file(tmp_path):
    for name in names():
        assert load(name).name == name
        assert load(f"{name}.yaml") == load(name)


@pytest.mark.parametrize(
    ("text", "ns", "shown"),
    [("2 s", 2 * SECOND, "2 s"), ("0.05s", 50 * MS, "50 ms"), ("1500 us", 1_500_000, "1500 us"),
     ("1 min", 60 * SECOND, "60 s"), ("7 ns", 7, "7 ns"), ("0 ms", 0, "0 s")],
)  # fmt: skip
def test_times_are_read_with_their_unit_and_shown_with_one(text, ns, shown):
    scenario = parse(document(slo={"ttft": text}), "x")
    assert scenario.slo.ttft == ns
    assert yaml.safe_load(dump(scenario))["slo"]["ttft"] == shown


@pytest.mark.parametrize(
    ("text", "size"), [("1 TiB", 2**40), ("1.5 kB", 1500), ("7 B", 7), ("512 GiB", 2**39)]
)
def test_sizes_are_read_with_their_unit(text, size):
    scenario = parse(document(cluster={"tiers": {"dram": {"capacity": text}}}), "x")
    assert scenario.cluster.tiers.dram is not None
    assert scenario.cluster.tiers.dram.capacity == size
    assert parse(yaml.safe_load(dump(scenario)), "x") == scenario


def test_what_is_left_out_has_defaults_and_dump_writes_them_out():
    shown = yaml.safe_load(dump(parse(document(), "x")))
    assert shown["cluster"]["node"]["gpus"] == 8
    assert shown["cluster"]["tiers"] == {"dram": None, "ssd": None, "remote": None}
    assert shown["measure"] == {"from": "0 s", "to": None, "waste": False}
    assert shown["seed"] == 1


def test_a_run_folder_stands_for_its_scenario(tmp_path):
    path = written(tmp_path, dump(load("mooncake")))
    assert load(str(tmp_path)) == load(path) == load("mooncake")


def test_a_trace_is_looked_for_beside_the_scenario(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"
    )
    path = written(tmp_path, yaml.safe_dump(document(workload={"trace": {"file": "mine.csv"}})))
    assert load(path).workload == {"trace": {"file": str(tmp_path / "mine.csv")}}
    assert [r.prompt_tokens for r in build(load(path)).workload.arrivals()] == [4808]


def test_trace_and_seed_replace_the_scenario_s_own():
    scenario = load("azure", trace="mooncake_200.jsonl.gz", seed=7)
    fields = scenario.workload["trace"]
    assert scenario.seed == 7
    assert Path(fields["file"]).name == "mooncake_200.jsonl.gz"
    assert "format" not in fields
    assert fields["max_context"] == 4096  # what the scenario wants of a trace stays
    named = load("multiturn", trace="mooncake_200.jsonl.gz", format="mooncake")
    assert named.workload["trace"]["format"] == "mooncake"
    with pytest.raises(InputError, match="--trace FILE, which is missing"):
        load("azure", format="azure")


# --set


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("seed=5", ["seed"], 5),
        ("cluster.pools.0.replicas=4", ["cluster", "pools", 0, "replicas"], 4),
        ("cluster.pools.0={replicas: 3}", ["cluster", "pools", 0], {"replicas": 3}),
        ("cluster.gpu=h200", ["cluster", "node", "gpu"], "h200"),
        ("cluster.memory.blocks=27000", ["cluster", "memory", "blocks"], 27000),
        ("slo.tpot=", ["slo", "tpot"], None),
        ("measure.from=10 s", ["measure", "from"], "10 s"),
        ("policies.eviction=lfu", ["policies", "eviction"], "lfu"),
        ("policies.eviction.hbm=fifo", ["policies", "eviction"], {"hbm": "fifo"}),
        ("policies.router.prefix_aware.cache_threshold=0.5", ["policies", "router"],
         {"prefix_aware": {"cache_threshold": 0.5}}),
        ("policies.router.least_loaded.waiting_weight=2", ["policies", "router"],
         {"least_loaded": {"waiting_weight": 2}}),
        ("policies.scheduler.chunked_prefill.tokens=512", ["policies", "scheduler"],
         {"chunked_prefill": {"tokens": 512, "sequences": 256}}),
        ("workload.sessions.rate=3/s", ["workload", "sessions", "rate"], "3/s"),
        ("workload.open_loop={rate: 1/s}", ["workload"], {"open_loop": {"rate": "1/s"}}),
        ("name=a=b", ["name"], "a=b"),
    ],
)  # fmt: skip
def test_set_changes_one_value(change, path, value):
    changed = read(SHIPPED / "multiturn.yaml")
    apply(changed, change)
    place = changed
    for key in path:
        place = place[key]
    assert place == value


def test_changes_are_applied_in_order():
    assert load("multiturn", ["seed=2", "seed=3"]).seed == 3


def test_a_policy_given_parameters_replaces_the_one_that_was_named():
    scenario = load("multiturn", ["policies.scheduler.other.tokens=1"])
    assert scenario.policies.scheduler == {"other": {"tokens": 1}}
    tiers = load("multiturn", ["policies.eviction.hbm=lfu", "policies.eviction.dram.slru.share=1"])
    assert tiers.policies.eviction == {"hbm": "lfu", "dram": {"slru": {"share": 1}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("seed", "write it as path=value"),
        ("=5", "write it as path=value"),
        ("cluster..gpu=h100", "write it as path=value"),
        ("slo=[", "line 1"),
        ("cluster.pools.7.replicas=4", "'7' is no place in a list; allowed: 0"),
        ("cluster.pools.replicas=4", "'replicas' is no place in a list"),
        ("cluster.pools.-1=4", "'-1' is no place in a list"),
        ("cluster.pools.\N{SUPERSCRIPT TWO}=4", "is no place in a list"),
        ("model.name=x", "model is 'llama-3.1-70b', which has no parts"),
    ],
)
def test_a_wrong_set_is_shown(change, words):
    said = refused(change)
    assert change in said
    assert words in said


CONTRACT = """
name: multiturn
model: llama-3.1-70b
precision: {weights: bf16, kv: bf16}
engine: vllm
cluster:
  node: {gpu: h100-sxm, gpus: 8}
  pools: [{role: unified, replicas: 2, parallel: {tensor: 4}}]
  transfer: layerwise
  memory: {utilization: 0.9, block_tokens: 16, max_model_len: null}
  tiers:
    dram: {capacity: 512 GiB, scope: node}
    ssd: {capacity: 4 TiB, device: nvme-gen4}
    remote: {capacity: 20 TiB, link: rdma-200g}
policies:
  router: prefix_aware
  scheduler: {chunked_prefill: {tokens: 2048, sequences: 256}}
  eviction: {hbm: lru, dram: lru, ssd: lru}
  restore: break_even
  compression: []
workload: {sessions: {rate: 1.5/s, sessions: 20, turns: 4, think_time: 5 s,
                      input_tokens: 200, output_tokens: 50}}
slo: [{class: chat, ttft: 1 s}, {ttft: 2 s, tpot: 50 ms}]
measure: {from: 0 s, to: null}
seed: 1
"""


def test_the_scenario_of_the_contract_runs(tmp_path):
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT)
    summary = run(load(str(path), ["cluster.tiers.dram.capacity=1TiB"])).summary
    assert summary["requests"]["finished"] == summary["requests"]["arrived"] == 80
    assert summary["tiers"]["dram"]["capacity_bytes"] == 2**40
    assert summary["slo"]["attainment"] == 1.0
