"""plan on pools of prefill and decode: is every placement looked at, and the best one found?"""

import itertools
import json

import pytest
from commands import kvsim, told
from scenarios import written

APART = """
name: apart
model: llama-3.1-8b
cluster:
  node: {gpu: h100-sxm, gpus: 8}
  pools: [{role: prefill}, {role: decode}]
workload:
  open_loop: {rate: 8/s, requests: 100, input_tokens: 800, output_tokens: 60}
slo: {ttft: 200 ms, tpot: 12 ms}
"""
PATHS = {
    "cluster.pools.0.parallel.tensor": [1, 2],
    "cluster.pools.1.parallel.tensor": [1, 2],
}


@pytest.fixture
def apart(tmp_path):
    """One prefill and one decode instance."""
    return written(tmp_path, APART)


def asked(tmp_path, **space):
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps(space), encoding="utf-8")
    return path


def test_the_shipped_space_holds_every_placement_on_a_node(apart):
    found = told("plan", apart, "--space", "placement", "--json")["candidates"]
    sides = list(itertools.product((1, 2, 4), (1, 2), (1, 2)))  # tensor, pipeline, replicas
    used = [a * b * c + d * e * f for (a, b, c), (d, e, f) in itertools.product(sides, sides)]
    assert sorted(one["gpus"] for one in found) == sorted(gpus for gpus in used if gpus <= 8)


def test_the_highest_rate_a_gpu_is_that_of_separate_searches(apart, tmp_path):
    space = asked(tmp_path, paths=PATHS, constraints=["gpus <= 3"])
    found = told("plan", apart, "--space", space, "--minimize", "rate_per_gpu", "--json")
    assert sorted(one["gpus"] for one in found["candidates"]) == [2, 3, 3]
    rates = {}
    for one in found["candidates"]:
        words = [word for path in PATHS for word in ("--set", f"{path}={one[path]}")]
        alone = told("goodput", apart, "--json", *words)
        run = told("run", apart, "--json", *words, "--set",
                   f"workload.open_loop.rate={8 * alone['rate_factor']}/s")  # fmt: skip
        assert one["goodput_rps"] == pytest.approx(run["slo"]["goodput_rps"])
        rates[one["gpus"], one[min(PATHS)]] = one["goodput_rps"] / one["gpus"]
    best = found["best"]
    assert best["goodput_rps"] / best["gpus"] == max(rates.values())


def test_the_table_of_many_axes_fits_a_terminal_and_ends_with_the_command(apart):
    done = kvsim("plan", apart, "--space", "placement", COLUMNS="80")
    lines = done.stdout.splitlines()
    assert lines[0] == "a  cluster.pools.0.parallel.tensor"
    assert lines[6].split()[:6] == ["a", "b", "c", "d", "e", "f"]
    assert lines[7].split()[:6] == ["1"] * 6  # the smallest is enough, so nothing else was run
    assert "…" not in done.stdout
    assert lines[-1].startswith("Best: kvsim run ")
    assert "--set cluster.pools.1.replicas=1" in lines[-1]


def test_what_cannot_run_is_counted_with_its_reason(apart, tmp_path):
    space = asked(tmp_path, paths={"model": ["llama-3.1-70b", "llama-3.1-8b"]})
    done = kvsim("plan", apart, "--space", space, "--minimize", "goodput_per_gpu")
    assert done.returncode == 0
    assert "1 cannot run: llama-3.1-70b does not fit" in done.stdout


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"path": {}}, "Did you mean 'paths'?"),
        ({"paths": {}}, "write paths"),
        ({"paths": {"seed": 1}}, "write paths"),
        ({"paths": {"seed": [1]}, "constraints": ["usd < 3"]}, "gpus, usd_per_hour"),
        ({"paths": {"seed": [1]}, "constraints": "gpus <= 8"}, "constraints"),
        ({"paths": {"seed": [1]}, "constraints": ["gpus <= 1.2.3"]}, "gpus <= 1.2.3"),
        ({"paths": {"seed": [1]}, "constraints": ["gpus <= 1"]}, "no combination"),
        ({"paths": {"seed": [1]}, "attainment": "most"}, "attainment"),
        ({"paths": {"seed": [1]}, "attainment": 90}, "attainment"),
        ({"paths": {"cluster.pool.0.replicas": [1]}}, "pools"),
        ({"paths": {"cluster.pools.7.replicas": [1]}}, "no place in a list"),
    ],
)
def test_a_space_that_makes_no_sense_is_told(apart, tmp_path, space, said):
    done = kvsim("plan", apart, "--space", asked(tmp_path, **space))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
