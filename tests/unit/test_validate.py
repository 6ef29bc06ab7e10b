"""Do recorded runs of every format say the same to `kvsim validate`, and are faults told?"""

import json
from pathlib import Path

import pytest
from commands import kvsim, told

from kvsim.errors import InputError
from kvsim.validate.errors import errors
from kvsim.validate.names import engine_of, gpu_of, model_of
from kvsim.validate.plot import draw
from kvsim.validate.recorded import Served, recorded
from kvsim.validate.replay import replay
from kvsim.validate.silicon import Point, Skipped, rows, scenario_of

# Two requests, the second one 0.5 s after the first; TTFT 20 and 40 ms, then 10 ms a token.
SENT = [Served(100, 3, 0.0, 0.0, 0.02, 0.04), Served(200, 5, 0.5, 0.5, 0.54, 0.58)]
LATE = 1000.0
"""Recorders count from instants of their own."""


def folder(place: Path, meta: object = None, **fields: object) -> Path:
    """A folder of the two requests, and of what else is given."""
    rows = [
        {
            "input_length": one.prompt_tokens, "output_length": one.output_tokens,
            "arrival": LATE + one.arrival, "first_token": LATE + one.first_token,
            "last_token": LATE + one.last_token, **fields,
        }
        for one in reversed(SENT)
    ]  # fmt: skip
    (place / "requests.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if meta is not None:
        (place / "meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    return place


def bench(place: Path) -> Path:
    """What `vllm bench serve --save-detailed` writes, with a third request that failed."""
    (place / "bench.json").write_text(json.dumps({
        "model_id": "meta-llama/Llama-3.1-8B-Instruct", "input_lens": [100, 200, 7],
        "output_lens": [3, 5, 0], "ttfts": [0.02, 0.04, 0.0],
        "itls": [[0.01, 0.01], [0.01] * 4, []], "errors": ["", "", "refused"],
        "start_times": [LATE, LATE + 0.5, LATE + 0.6],
    }))  # fmt: skip
    return place / "bench.json"


def aiperf(place: Path) -> Path:
    """AIPerf's records, with one of the warm-up and one that failed."""

    def record(one: Served, phase: str = "profiling", error: object = None) -> str:
        spans = {
            "time_to_first_token": 1e3 * (one.first_token - one.arrival),
            "request_latency": 1e3 * (one.last_token - one.arrival),
            "input_sequence_length": one.prompt_tokens,
            "output_sequence_length": one.output_tokens,
        }
        about = {"request_start_ns": int((LATE + one.arrival) * 1e9), "benchmark_phase": phase}
        metrics = {name: {"value": value} for name, value in spans.items()}
        return json.dumps({"metadata": about, "metrics": metrics, "error": error}) + "\n"

    (place / "profile_export.jsonl").write_text(
        record(SENT[0]) + record(SENT[0], "warmup") + record(SENT[1])
        + record(SENT[0], error={"code": 500})
    )  # fmt: skip
    return place / "profile_export.jsonl"


def seconds(found: list[Served]) -> list[float]:
    return [at for one in found for at in (one.arrival, one.asked, one.first_token, one.last_token)]


def test_three_formats_hold_the_same_two_requests(tmp_path) -> None:
    found = recorded(bench(tmp_path))
    assert found.meta["model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert seconds(found.requests) == pytest.approx(seconds(SENT))
    assert seconds(recorded(folder(tmp_path)).requests) == pytest.approx(seconds(SENT))


def test_aiperf_leaves_out_warm_up_and_failures(tmp_path) -> None:
    found = recorded(aiperf(tmp_path))
    assert [one.prompt_tokens for one in found.requests] == [100, 200]
    assert seconds(found.requests) == pytest.approx(seconds(SENT))


def test_requests_of_one_instant_arrive_at_once(tmp_path) -> None:
    """Traces of slow clocks are spread over a tick; a recorded burst is a burst."""
    path = aiperf(tmp_path)
    path.write_text(path.read_text() * 2)
    facts = replay(recorded(path), "h100", ["model=llama-3.1-8b"]).result.facts
    assert sorted(facts.requests["arrival"].tolist()) == [0, 0, 500_000_000, 500_000_000]


def test_an_engines_stamp_counts_where_every_request_has_one(tmp_path) -> None:
    assert not recorded(folder(tmp_path)).stamped
    found = recorded(folder(tmp_path, queued=LATE + 0.001))
    assert found.stamped
    assert found.requests[0].asked == pytest.approx(0.001)


def test_the_series_counts_from_the_first_arrival_too(tmp_path) -> None:
    (tmp_path / "timeseries.csv").write_text("t,running\n1000.0,0\n1001.0,2\n")
    found = recorded(folder(tmp_path))
    assert found.series == {"t": [0.0, 1.0], "running": [0.0, 2.0]}


@pytest.mark.parametrize("make", [bench, aiperf, folder])
def test_every_format_is_replayed(make, tmp_path) -> None:
    """An idle H100 reads 16 GB of weights per token: 4.8 ms at 3.35 TB/s; at most twice."""
    found = told("validate", "run", make(tmp_path), "--gpu", "h100", "--set", "model=llama-3.1-8b",
                 "--json")  # fmt: skip
    assert found["measured"]["tpot_s"]["mean"] == pytest.approx(0.01)
    assert found["measured"]["ttft_s"]["p99"] == pytest.approx(0.0398, rel=0.01)
    assert 0.0048 < found["predicted"]["tpot_s"]["mean"] < 0.0096
    assert 0.0048 < found["predicted"]["ttft_s"]["mean"] < 0.03
    assert found["ttft_counts_from"] == "arrival"
    assert found["kv_blocks_given"] is None


def test_the_runs_own_block_count_is_taken(tmp_path) -> None:
    meta = {"model": "meta-llama/Llama-3.1-8B", "gpu": "NVIDIA RTX 4090",
            "engine_kwargs": {"block_size": 16}, "num_gpu_blocks": 2588}  # fmt: skip
    found = told("validate", "run", folder(tmp_path, meta), "--json")
    assert found["gpu"] == "rtx-4090"
    assert found["kv_blocks_given"] == 2588
    assert found["kv_capacity_tokens"] == 2588 * 16


@pytest.mark.parametrize(
    ("meta", "series", "said"),
    [
        ("{bad", None, "meta.json: not JSON"),
        ([], None, "meta.json: found no JSON object"),
        (None, "time,running\n0,1\n", "no column t"),
        (None, "t,running\n0,x\n", "could not convert string to float: 'x'"),
        ({"gpu": "h100"}, None, "which model it served"),
        ({"model": "llama-3.1-8b"}, None, "which GPU it ran on"),
        ({"model": "llama-3.1-8b", "gpu": "abacus"}, None, "GPU 'abacus' is not in the catalogue"),
        ({"model": "clippy", "gpu": "h100"}, None, "model 'clippy' is not in the catalogue"),
    ],
)
def test_faults_are_told_without_a_traceback(meta, series, said, tmp_path) -> None:
    place = folder(tmp_path, meta)
    if series:
        (place / "timeseries.csv").write_text(series)
    done = kvsim("validate", "run", place)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_what_is_no_run_says_what_would_be_one(tmp_path) -> None:
    with pytest.raises(InputError, match=r"requests\.jsonl"):
        recorded(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        recorded(tmp_path / "nothing")
    (tmp_path / "requests.jsonl").write_text('{"arrival": 0, "input_length": "many"}\n')
    with pytest.raises(InputError, match=r"requests\.jsonl:1.*'input_length' is 'many'"):
        recorded(tmp_path)


def test_errors_are_of_predicted_by_measured() -> None:
    found = errors("some", [(90, 100), (120, 100), (100, 100)])
    assert found is not None
    assert found.points == 3
    assert found.median == pytest.approx(0.10)
    assert found.mean == pytest.approx(0.10)
    assert (found.p90, found.worst) == pytest.approx((0.20, 0.20))
    assert found.bias == 0
    assert errors("none", []) is None


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("meta-llama/Meta-Llama-3.1-70B-Instruct-FP8", "llama-3.1-70b"),
        ("llama-3.1-8b", "llama-3.1-8b"),
    ],
)
def test_repositories_names_are_the_catalogues(told, meant) -> None:
    assert model_of(told) == meant


def test_others_names_of_gpus_and_engines() -> None:
    assert [gpu_of(name) for name in ("h100_sxm", "NVIDIA A100-SXM4-80GB", "RTX4090", "H200")] == [
        "h100-sxm", "a100-80gb", "rtx-4090", "h200",
    ]  # fmt: skip
    assert [engine_of(name) for name in ("TensorRT-LLM", "vllm")] == ["trtllm", "vllm"]
    with pytest.raises(InputError, match="has no profile"):
        engine_of("abacus")


HEAD = "backend,model_path,system,isl,osl,concurrency,tp_size,gemm_quant_mode,ttft_ms,tpot_ms\n"


def test_rows_that_cannot_be_simulated_say_why(tmp_path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(
        HEAD
        + "vllm,meta-llama/Llama-3.1-8B,h100_sxm,1024,256,8,1,fp8,30,8\n"
        + "vllm,clippy,h100_sxm,1024,256,8,1,fp8,30,8\n"
        + "vllm,meta-llama/Llama-3.1-8B,h100_sxm,1024,256,8,1,int3,30,8\n"
        + "vllm,meta-llama/Llama-3.1-8B,h100_sxm,,256,8,1,fp8,30,8\n"
    )
    first, *others = rows(path)
    assert isinstance(first, Point)
    assert (first.model, first.gpu, first.weights, first.kv) == (
        "llama-3.1-8b", "h100-sxm", "fp8", "bf16",
    )  # fmt: skip
    assert scenario_of(first).model == "llama-3.1-8b"
    for one, why in zip(others, ("clippy", "int3", "a number is missing"), strict=True):
        assert isinstance(one, Skipped)
        assert why in one.reason


def test_a_point_is_predicted_row_by_row(tmp_path) -> None:
    """One user: a pass over 16 GB of weights a token, 4.8 ms at 3.35 TB/s; at most twice."""
    path = tmp_path / "points.csv"
    path.write_text(HEAD + "vllm,meta-llama/Llama-3.1-8B,h100_sxm,128,8,1,1,,10,7\n")
    found = told("validate", "silicon", path, "--json")
    assert found["points"] == found["predicted"] == 1
    row = found["rows"][0]
    assert 4.8 < row["predicted_tpot_ms"] < 9.6
    assert found["medians"]["tpot"]["median"] == pytest.approx(
        abs(row["predicted_tpot_ms"] / 7 - 1)
    )


def test_what_a_row_does_not_say_can_be_set(tmp_path) -> None:
    """2 users of 136 tokens each: 16 blocks of 16 tokens hold one of them at a time."""
    path = tmp_path / "points.csv"
    path.write_text(HEAD + "vllm,meta-llama/Llama-3.1-8B,h100_sxm,128,8,2,1,,10,7\n")
    plain = told("validate", "silicon", path, "--json")["rows"][0]
    tight = told("validate", "silicon", path, "--json", "--set", "cluster.memory.blocks=16")
    assert (plain["kv_limited"], tight["rows"][0]["kv_limited"]) == (False, True)
    assert tight["rows"][0]["predicted_ttft_ms"] > plain["predicted_ttft_ms"]


def test_a_file_without_the_columns_says_which(tmp_path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("isl,osl\n1,2\n")
    with pytest.raises(InputError, match="no column backend, model_path, system"):
        list(rows(path))


def test_the_picture_has_a_panel_for_what_was_recorded() -> None:
    real = {"t": [0.0, 1.0], "running": [0.0, 4.0], "kv_cache_pct": [0.0, 0.0]}
    picture = draw("a <run>", real, {"running": [1.0, 2.0], "kv_cache_pct": [0.0, 9.0]})
    assert "a &lt;run&gt;" in picture
    assert "requests running" in picture
    assert "KV in use" not in picture
