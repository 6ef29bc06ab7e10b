"""Do the commands that run something end as promised: words, JSON, folders, exit codes?"""

import json
import os
import pty
import signal
import subprocess
import sys
from subprocess import PIPE
from typing import Any

import pytest
from commands import kvsim, told
from trace_samples import jsonl, mooncake

from kvsim.cli.progress import watching
from kvsim.scenario import load
from kvsim.scenario.replications import replicate
from kvsim.scenario.run import run

QUICK = ["run", "multiturn", "--json", "--set", "workload.sessions.sessions=20"]
LONG = ["run", "multiturn", "--json", "--set", "workload.sessions.sessions=10000000"]
DISTRIBUTION = {"mean", "p50", "p90", "p95", "p99", "max"}
SUMMARY: dict[str, set[str]] = {
    "requests": {"arrived", "finished", "rejected"},
    "throughput": {"requests_per_s", "input_tokens_per_s", "output_tokens_per_s"},
    **dict.fromkeys(("ttft_s", "tpot_s", "itl_s", "e2e_s", "queue_s"), DISTRIBUTION),
    "ttft_breakdown_s": {"queue", "load", "prefill", "transfer", "other"},
    "slo": {"attainment", "goodput_rps", "ttft_attainment", "tpot_attainment", "by_class"},
    "cache": {"prompt_tokens", "hit_tokens", "hit_rate", "by_tier", "evicted_bytes"},
    "transfers": set(),
    "tiers": set(),
    "gpu": {"busy_fraction", "mfu", "mbu"},
    "memory": {"kv_capacity_tokens", "kv_peak_fraction", "weights_bytes"},
    "cost": {"gpu_hours", "usd", "usd_by", "usd_per_million_output_tokens"},
    "confidence": set(),
    "simulator": {"wall_s", "events", "steps", "spans"},
    "manifest": {"version", "scenario_sha256", "calibration_sha256", "seed"},
}
"""What summary.json promises, by part."""
SCALARS = {"duration_s", "preemptions", "recomputed_tokens", "extrapolated_fraction", "energy"}


def results(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what the machine it ran on has added."""
    return {part: value for part, value in summary.items() if part != "simulator"}


# Exit codes and streams


def test_a_run_ends_with_0_and_one_json_object():
    done = kvsim(*QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["partial"] is None
    assert summary["requests"]["finished"] == summary["requests"]["arrived"] > 20


def test_a_run_that_takes_too_long_ends_with_1_and_says_that_it_is_partial():
    done = kvsim(*LONG, "--max-wall", 0)
    assert done.returncode == 1
    assert json.loads(done.stdout)["partial"] == "stopped after 0 s"
    assert done.stderr == "Partial results: stopped after 0 s.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "multitun", "--json"], "Did you mean 'multiturn'?"),
        (["run", ".", "--json"], "is a folder without a scenario.yaml"),
        ([*QUICK, "--set", "slo.ttft=2"], "slo.ttft: 2 has no unit"),
        ([*QUICK, "--set", "cluster.pools.0.parallel.tensor=1"], "GB too much"),
        (["run", "mooncake", "--trace", "nowhere.gz"], "there is no file 'nowhere.gz'"),
        ([*QUICK, "--seed", "soon"], "valid integer"),
        ([*QUICK, "--replications", "0"], "--replications"),
        (["run"], "Missing argument"),
        (["runn", "multiturn"], "Did you mean 'run'?"),
        (["run", "multiturn", "--jsn"], "No such option: --jsn"),
        (["compare", "multiturn", "--json"], "compare needs two scenarios"),
        (["explain", "multiturn", "--request", "1"], "it has no requests.parquet"),
        (["hitrate", "--trace", "nowhere.gz"], "nowhere.gz cannot be read"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence_and_nothing_on_stdout(words, said):
    done = kvsim(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_damage_found_while_running_is_bad_input_too(tmp_path):
    rows = [mooncake(at, 5, 2, [at]) for at in range(50)]
    trace = tmp_path / "trace.jsonl"
    trace.write_text(jsonl(*rows) + "{broken\n")
    done = kvsim("run", "mooncake", "--json", "--trace", trace)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{trace}, line 51: not JSON" in done.stderr


# JSON


def test_the_summary_holds_all_that_it_promises():
    summary = told(*QUICK)
    assert {*SUMMARY, *SCALARS, "partial"} <= set(summary)
    for part, names in SUMMARY.items():
        assert names <= set(summary[part]), part
    assert set(summary["cache"]["by_tier"]) == {"hbm", "dram", "ssd", "remote"}
    assert set(summary["cost"]["usd_by"]) == {"gpu", "dram", "ssd", "network"}
    assert len(summary["manifest"]["scenario_sha256"]) == 64
    assert summary["energy"] is None


def test_parts_add_up():
    summary = told(*QUICK)
    parts = summary["ttft_breakdown_s"].values()
    assert sum(parts) == pytest.approx(summary["ttft_s"]["mean"])
    cache = summary["cache"]
    assert sum(cache["by_tier"].values()) == cache["hit_tokens"]
    assert cache["hit_rate"] == pytest.approx(cache["hit_tokens"] / cache["prompt_tokens"])
    hours = summary["cost"]["gpu_hours"]
    assert hours == pytest.approx(8 * summary["duration_s"] / 3600)  # 2 replicas of 4 GPUs
    assert sum(summary["cost"]["usd_by"].values()) == pytest.approx(summary["cost"]["usd"])


def test_nothing_is_null_but_what_is_not_there():
    def nulls(value: Any, path: str) -> list[str]:
        if isinstance(value, dict):
            return [name for key, part in value.items() for name in nulls(part, f"{path}.{key}")]
        return [path] if value is None else []

    assert nulls(told(*QUICK), "") == [".partial", ".handoff", ".memory.waste", ".energy"]


# Seeds


def test_the_same_seed_repeats_the_run_whatever_pythonhashseed():
    first, second = (kvsim(*QUICK, "--seed", 5, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert results(json.loads(first.stdout)) == results(json.loads(second.stdout))


def test_another_seed_is_another_run():
    one, two = (told(*QUICK, "--seed", seed) for seed in (1, 2))
    assert one["ttft_s"] != two["ttft_s"]
    assert (one["manifest"]["seed"], two["manifest"]["seed"]) == (1, 2)
    assert one["manifest"]["scenario_sha256"] != two["manifest"]["scenario_sha256"]


def test_step_by_step_is_the_same_run():
    spans, steps = told(*QUICK), told(*QUICK, "--step-by-step")
    assert steps["simulator"]["spans"] == steps["simulator"]["steps"]
    assert steps["simulator"]["steps"] == spans["simulator"]["steps"]
    for part in ("requests", "ttft_s", "e2e_s", "slo", "cache"):
        assert spans[part] == steps[part]


def test_replications_give_intervals_around_the_mean_of_all():
    summary = told(*QUICK, "--replications", 3)
    confidence = summary["confidence"]
    assert {"ttft_s.p99", "slo.goodput_rps", "cost.usd", "cache.hit_rate"} <= set(confidence)
    assert all(low <= high for low, high in confidence.values())
    alone = [told(*QUICK, "--seed", seed)["ttft_s"]["mean"] for seed in (1, 2, 3)]
    low, high = confidence["ttft_s.mean"]
    middle = sum(alone) / 3
    deviation = (sum((value - middle) ** 2 for value in alone) / 2) ** 0.5
    # Student's t with 2 degrees of freedom: 4.303
    assert (high - low) / 2 == pytest.approx(4.303 * deviation / 3**0.5)
    assert (high + low) / 2 == pytest.approx(middle)
    assert summary["ttft_s"]["mean"] == alone[0]


def test_one_run_gives_no_intervals():
    assert told(*QUICK)["confidence"] == {}


# Cut short


def test_ctrl_c_gives_what_there_is_and_ends_with_1():
    screen, its_end = pty.openpty()
    words = [sys.executable, "-m", "kvsim", *LONG]
    with subprocess.Popen(words, stdout=PIPE, stderr=its_end, text=True) as process:
        os.close(its_end)
        shown = b""
        while b"simulated" not in shown:  # the bar: the run has begun
            shown += os.read(screen, 1024)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
    os.close(screen)
    summary = json.loads(stdout)
    assert process.returncode == 1
    assert summary["partial"] == "interrupted"
    assert summary["requests"]["arrived"] >= summary["requests"]["finished"]


def test_ctrl_c_before_the_run_has_begun_ends_with_1_too(tmp_path):
    pipe = tmp_path / "trace.jsonl"
    os.mkfifo(pipe)
    words = [sys.executable, "-m", "kvsim", "hitrate", "--trace", str(pipe)]
    with (
        subprocess.Popen(words, stdout=PIPE, stderr=PIPE, text=True) as process,
        pipe.open("w"),  # waits until the other side reads
    ):
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (1, "")
    assert stderr == "kvsim: interrupted; nothing was written.\n"


def test_the_first_ctrl_c_asks_and_the_second_insists():
    before = signal.getsignal(signal.SIGINT)
    with watching() as watch:
        assert not watch.look(0, run(load(*small())).machine.simulation.recorder)
        signal.raise_signal(signal.SIGINT)
        assert watch.interrupted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def small() -> tuple[str, list[str]]:
    """A scenario that is over at once, and its changes."""
    return "multiturn", ["workload.sessions.sessions=3"]


def test_a_run_cut_short_is_not_replicated_further():
    scenario = load("multiturn", ["workload.sessions.sessions=100000"])
    looks = iter([True])
    summary = replicate(scenario, 5, look=lambda now, recorder: next(looks)).summary
    assert summary["partial"] == "interrupted"
    assert summary["confidence"] == {}


def test_replications_cut_short_keep_what_was_done():
    runs: list[object] = []
    summary = replicate(
        load(*small()), 5, started=runs.append, look=lambda now, recorder: len(runs) == 3
    ).summary
    assert summary["partial"] == "interrupted, 3 of 5 seeds done"
    assert summary["confidence"]
    assert len(runs) == 3


def test_replications_share_their_time():
    runs: list[object] = []
    summary = replicate(load(*small()), 5, max_wall=1e-9, started=runs.append).summary
    assert summary["partial"] == "stopped after 1e-09 s, 1 of 5 seeds done"
    assert summary["confidence"] == {}
    assert len(runs) == 1
