"""A recorded run, replayed: the same lengths, arrivals and prefixes, and what comes of them."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kvsim.errors import InputError
from kvsim.scenario import Scenario
from kvsim.scenario.load import apply, parse
from kvsim.scenario.run import Result, run
from kvsim.units import SECOND
from kvsim.validate.names import gpu_of, model_of
from kvsim.validate.recorded import Recorded

DEFAULTS = {"tokens": 8192, "sequences": 256}
"""vLLM's server: `max_num_batched_tokens`, `max_num_seqs`, where the run does not say."""
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
FORMATS = {"fp8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "auto": "bf16", "bfloat16": "bf16"}
BLOCKS = ("num_gpu_blocks_override", "num_gpu_blocks", "kv_blocks", "gpu_blocks")
"""Where runs record how many KV blocks the engine had."""


class Comparison(NamedTuple):
    """Measured and predicted, by metric and statistic."""

    scenario: Scenario
    result: Result
    measured: dict[str, dict[str, float]]
    predicted: dict[str, dict[str, float]]
    series: dict[str, list[float]]
    """Predicted `running` and `waiting` at the recorded instants."""

    @property
    def errors(self) -> dict[str, dict[str, float]]:
        """Predicted by measured, less one."""
        return {
            metric: {
                name: self.predicted[metric][name] / value - 1
                for name, value in values.items()
                if value
            }
            for metric, values in self.measured.items()
        }


def scenario_of(run: Recorded, trace: Path, gpu: str | None, changes: Sequence[str]) -> Scenario:
    """The machine that a run was recorded on, as far as it was recorded; `changes` have the last
    word. Raises InputError for what nobody says."""
    engine = {**run.meta, **(run.meta.get("engine_kwargs") or {})}
    model = engine.get("model")
    document: dict[str, Any] = {
        "name": run.name,
        "model": model_of(model) if model else "llama-3.1-8b",
        "precision": {
            "weights": "fp8" if "fp8" in str(engine.get("quantization") or "") else "bf16",
            "kv": FORMATS.get(str(engine.get("kv_cache_dtype") or "auto"), "bf16"),
        },
        "engine": str(engine.get("engine") or "vllm"),
        "cluster": _cluster(engine, gpu or _gpu(run, engine)),
        "policies": {
            "router": "least_loaded",
            "scheduler": {
                "chunked_prefill": {
                    "tokens": engine.get("max_num_batched_tokens") or DEFAULTS["tokens"],
                    "sequences": engine.get("max_num_seqs") or DEFAULTS["sequences"],
                }
            },
        },
        "workload": {"trace": {"file": str(trace), "format": "mooncake", "spread": False}},
    }
    if not model and not any(change.startswith("model=") for change in changes):
        raise InputError("the run does not say which model it served; add --set model=NAME.")
    for change in changes:
        apply(document, change)
    return parse(document, run.name)


def _cluster(engine: dict[str, Any], gpu: str) -> dict[str, Any]:
    tensor = int(engine.get("tensor_parallel_size") or 1)
    pipeline = int(engine.get("pipeline_parallel_size") or 1)
    replicas = int(engine.get("data_parallel_size") or 1)
    memory = {
        "utilization": engine.get("gpu_memory_utilization"),
        "block_tokens": engine.get("block_size") or 16,
        "max_model_len": engine.get("max_model_len"),
        "blocks": next((int(engine[key]) for key in BLOCKS if engine.get(key)), None),
        "prefix_caching": engine.get("enable_prefix_caching") is not False,
    }
    return {
        "node": {"gpu": gpu, "gpus": max(8, tensor)},
        "pools": [{"replicas": replicas, "parallel": {"tensor": tensor, "pipeline": pipeline}}],
        "memory": memory,
    }


def _gpu(run: Recorded, engine: dict[str, Any]) -> str:
    """As recorded, or as the folder is called."""
    for key in ("gpu", "gpu_name", "hardware", "device_name", "accelerator", "system"):
        if isinstance(engine.get(key), str):
            return gpu_of(engine[key])
    for word in run.name.replace(" ", "_").split("_"):
        try:
            return gpu_of(word)
        except InputError:
            continue
    raise InputError(f"{run.name} does not say which GPU it ran on; add --gpu NAME.")


def replay(record: Recorded, gpu: str | None = None, changes: Sequence[str] = ()) -> Comparison:
    """Simulate the run's requests from their arrivals, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.jsonl"
        trace.write_text("".join(_lines(record)), encoding="utf-8")
        scenario = scenario_of(record, trace, gpu, changes)
        result = run(scenario)
    requests = result.facts.requests
    order = np.argsort(requests["id"])
    done = result.facts.status[order] == "finished"
    first, last = (requests[key][order] / SECOND for key in ("first_token", "finish"))
    asked, began, ended, outputs = (
        np.array([getattr(one, key) for one in record.requests])
        for key in ("asked", "first_token", "last_token", "output_tokens")
    )
    if not done.all():
        raise InputError(
            f"{int((~done).sum())} of the run's requests do not fit into the simulated machine; "
            "see max_model_len and the KV memory (kvsim explain)."
        )
    return Comparison(
        scenario, result, _statistics(asked, began, ended, outputs),
        _statistics(asked, first, last, outputs), _over_time(record, result),
    )  # fmt: skip


def _lines(record: Recorded) -> "list[str]":
    found = []
    for one in record.requests:
        row: dict[str, Any] = {
            "timestamp": one.arrival * 1e3,
            "input_length": one.prompt_tokens,
            "output_length": one.output_tokens,
            "hash_ids": list(one.blocks),
            "block_tokens": one.block_tokens,
        }
        found.append(json.dumps(row) + "\n")
    return found


def _statistics(asked: Any, began: Any, ended: Any, outputs: Any) -> dict[str, dict[str, float]]:
    several = outputs > 1
    tpot = (ended - began)[several] / (outputs[several] - 1)
    spans = {"ttft_s": began - asked, "tpot_s": tpot, "e2e_s": ended - asked}
    found = {metric: _summed(values) for metric, values in spans.items() if len(values)}
    duration = float(ended.max() - asked.min())
    found["throughput"] = {"output_tokens_per_s": float(outputs.sum()) / duration,
                           "duration_s": duration}  # fmt: skip
    return found


def _summed(values: Any) -> dict[str, float]:
    found = {"mean": float(values.mean())}
    for name in STATISTICS[1:]:
        found[name] = float(np.quantile(values, int(name[1:]) / 100))
    return found


def _over_time(record: Recorded, result: Result) -> dict[str, list[float]]:
    """Running, waiting and KV occupancy of the simulated machine at the recorded instants."""
    times = np.array(record.series.get("t", ()))
    if not len(times):
        return {}
    spans = result.facts.spans
    order = np.argsort(spans["end"])
    place = np.searchsorted(spans["end"][order], (times * SECOND).astype(np.int64))
    inside = place < len(order)
    rows = order[np.minimum(place, len(order) - 1)]
    room = result.machine.pools[0].capacity.bytes or 1
    columns = {
        "running": spans["running"], "waiting": spans["waiting"],
        "kv_cache_pct": 100 * spans["kv_leased"] / room,
    }  # fmt: skip
    return {
        name: np.where(inside, values[rows], 0).astype(float).tolist()
        for name, values in columns.items()
    }
