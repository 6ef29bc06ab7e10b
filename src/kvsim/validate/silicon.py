"""Closed-loop serving points that others measured, each simulated from its row alone.

A point is a mean over `RUNS` times its concurrency of requests of one length, all sent at the start
and each followed by the next: the initial burst is part of it. What its row does not say (token
budget, block count, KV format) is the engine profile's default. Lengths vary by a few percent, as
equal ones would keep all sequences in lock-step, which no server does.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.calibration import engine
from kvsim.errors import InputError
from kvsim.scenario import Scenario
from kvsim.scenario.load import apply, parse
from kvsim.scenario.run import run
from kvsim.validate.errors import errors
from kvsim.validate.names import engine_of, gpu_of, model_of

RUNS = 10
"""Requests per user."""
VARIATION = 0.03
"""Standard deviation of lengths by their mean."""
MANY = 1024
"""More sequences than any point has: its engine was told its concurrency."""
MANY_RANKS, MANY_USERS = 4, 64
"""From where on steps are short and batches large: points that the host may limit, shown apart."""
NEEDED = ("backend", "model_path", "system", "isl", "osl", "concurrency", "ttft_ms", "tpot_ms")
PRECISIONS = {
    "": "bf16", "bfloat16": "bf16", "float16": "bf16", "bf16": "bf16", "fp16": "bf16",
    "none": "bf16",
    "fp8": "fp8", "fp8_block": "fp8", "fp8_static": "fp8", "fp8_ootb": "fp8", "int8": "int8",
    "int8_wo": "int8", "nvfp4": "fp4", "fp4": "fp4", "mxfp4": "fp4", "w4a16_mxfp4": "fp4",
    "int4": "int4", "int4_wo": "int4",
}  # fmt: skip


class Point(NamedTuple):
    """One measured row, in the catalogue's words."""

    id: str
    engine: str
    version: str
    model: str
    gpu: str
    input_tokens: int
    output_tokens: int
    concurrency: int
    tensor: int
    pipeline: int
    weights: str
    kv: str
    ttft_ms: float
    tpot_ms: float


class Predicted(NamedTuple):
    """What the simulator says of a point."""

    point: Point
    ttft_ms: float
    tpot_ms: float
    extrapolated: float
    """Share of steps outside the measured range."""
    kv_limited: bool
    """The replica's KV memory holds fewer requests than are sent at a time."""


class Skipped(NamedTuple):
    """A row that cannot be simulated, and why."""

    id: str
    reason: str


def rows(path: Path) -> Iterator[Point | Skipped]:
    """The file's rows. Raises InputError for a file without the columns that are needed."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} has no column {', '.join(missing)}.")
            for number, row in enumerate(reader, 2):
                yield _row(row, f"{path.name}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None


def _row(row: dict[str, str], place: str) -> Point | Skipped:
    name = row.get("id") or place

    def number(key: str, default: float | None = None) -> float:
        text = (row.get(key) or "").strip()
        if not text and default is not None:
            return default
        return float(text)

    try:
        dtype = (row.get("gemm_quant_mode") or "").strip().lower()
        if dtype not in PRECISIONS:
            return Skipped(name, f"precision {dtype!r} is not known")
        for key in ("dp_size", "attention_dp_size", "ep_size", "moe_ep_size"):
            if number(key, 1) > 1:
                return Skipped(name, f"{key} {number(key):g}: one replica has no such parallelism")
        return Point(
            name, engine_of(row["backend"]), (row.get("backend_version") or "").strip(),
            model_of(row["model_path"]), gpu_of(row["system"]),
            int(number("isl")), int(number("osl")), int(number("concurrency")),
            int(number("tp_size", 1)), int(number("pp_size", 1)), PRECISIONS[dtype],
            _kv(engine_of(row["backend"]), PRECISIONS[dtype], row.get("kvcache_quant_mode")),
            number("ttft_ms"), number("tpot_ms"),
        )  # fmt: skip
    except InputError as error:
        return Skipped(name, str(error))
    except ValueError as error:
        return Skipped(name, f"a number is missing or wrong ({error})")


def _kv(engine: str, weights: str, told: str | None) -> str:
    """The KV format: as told, or what quantised checkpoints ask of TensorRT-LLM; bf16 elsewhere."""
    if told:
        return PRECISIONS.get(told.strip().lower(), "bf16")
    return "fp8" if engine == "trtllm" and weights in ("fp8", "fp4") else "bf16"


def scenario_of(point: Point, changes: Sequence[str] = ()) -> Scenario:
    """The closed loop of a point; `changes` have the last word."""

    def lengths(tokens: int) -> dict[str, Any]:
        spread = round(tokens * VARIATION)
        return {"uniform": [max(1, tokens - spread), tokens + spread]}

    content = {
        "name": point.id,
        "model": point.model,
        "precision": {"weights": point.weights, "kv": point.kv},
        "engine": point.engine,
        "cluster": {
            "node": {"gpu": point.gpu, "gpus": max(8, point.tensor)},
            "pools": [{"parallel": {"tensor": point.tensor, "pipeline": point.pipeline}}],
        },
        "policies": {"scheduler": {"chunked_prefill": {"sequences": _slots(point)}}},
        "workload": {
            "closed_loop": {
                "concurrency": point.concurrency,
                "input_tokens": lengths(point.input_tokens),
                "output_tokens": lengths(point.output_tokens),
                "requests": RUNS * point.concurrency,
            }
        },
    }
    for change in changes:
        apply(content, change)
    return parse(content, point.id)


def _slots(point: Point) -> int:
    """Requests that run at a time: all, but for an engine that keeps slots to itself."""
    spare = engine(point.engine).spare_slots.get(point.version, 0)
    return max(1, point.concurrency - spare) if spare else MANY


def predict(point: Point, changes: Sequence[str] = ()) -> Predicted | Skipped:
    """Simulate one point; a row that does not fit says why."""
    try:
        summary = run(scenario_of(point, changes)).summary
    except InputError as error:
        return Skipped(point.id, str(error))
    ttft, tpot = summary["ttft_s"]["mean"], summary["tpot_s"]["mean"]
    if ttft is None or tpot is None:
        return Skipped(point.id, "no request finished")
    wanted = point.concurrency * (point.input_tokens + point.output_tokens)
    limited = wanted > (summary["memory"]["kv_capacity_tokens"] or wanted)
    return Predicted(point, 1e3 * ttft, 1e3 * tpot, summary["extrapolated_fraction"], limited)


def predictions(
    points: Iterable[Point],
    jobs: int = 1,
    told: Callable[[], None] = lambda: None,
    changes: Sequence[str] = (),
) -> list[Predicted | Skipped]:
    """All points, in order, `jobs` at a time; `told` is called after each."""
    found = []
    if jobs == 1:
        for point in points:
            found.append(predict(point, changes))
            told()
        return found
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs) as pool:
        for one in pool.map(partial(predict, changes=changes), points):
            found.append(one)
            told()
    return found


def tables(found: list[Predicted]) -> list[dict[str, Any]]:
    """Errors of all points, then by GPU, engine, model and ranks, where KV memory suffices or not,
    and by concurrency."""
    groups: dict[str, list[Predicted]] = {"all": found}
    for one in found:
        point = one.point
        limited = ", KV-limited" if one.kv_limited else ""
        many = point.tensor >= MANY_RANKS and point.concurrency >= MANY_USERS and not limited
        apart = f", {MANY_USERS} users or more" if many else limited
        names = (
            f"{point.gpu}{limited}",
            f"{point.gpu} {point.engine} {point.model} {point.weights} TP{point.tensor}{apart}",
            f"{point.gpu} concurrency {_bin(point.concurrency)}{limited}",
        )
        for name in names:
            groups.setdefault(name, []).append(one)
    order = sorted(
        groups, key=lambda name: (name != "all", " " in name, "concurrency" in name, name)
    )
    return [_errors(name, groups[name]) for name in order if groups[name]]


def _bin(concurrency: int) -> str:
    low = 1
    while low * 4 <= concurrency:
        low *= 4
    return f"{low} to {low * 4 - 1}"


def _errors(name: str, found: list[Predicted]) -> dict[str, Any]:
    tpot = errors(name, ((one.tpot_ms, one.point.tpot_ms) for one in found))
    ttft = errors(name, ((one.ttft_ms, one.point.ttft_ms) for one in found))
    assert tpot is not None
    assert ttft is not None
    return {
        "regime": name,
        "points": len(found),
        "tpot": {key: value for key, value in tpot._asdict().items() if key != "regime"},
        "ttft": {key: value for key, value in ttft._asdict().items() if key != "regime"},
    }
