"""A grid over paths of a scenario: every combination run once, kept under its own hash.

A point is written whole or not at all, under the hash of its resolved scenario and this version, so
that a killed sweep goes on where it was and a repeated one costs nothing. A point that fails is a
row with its error.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import kvsim
from kvsim.errors import InputError
from kvsim.scenario import Scenario
from kvsim.scenario.load import dump, load
from kvsim.scenario.run import run

Values = dict[str, Any]
"""A value for each path of the grid."""


class Point(NamedTuple):
    """One combination, and what came of it."""

    values: Values
    key: str
    """Hash of the resolved scenario; empty where the combination is no scenario."""
    summary: dict[str, Any] | None
    error: str | None


def axes(grids: Iterable[str]) -> dict[str, list[Any]]:
    """`path=v1,v2` as path and values. Raises InputError for what is not of that form."""
    found: dict[str, list[Any]] = {}
    for text in grids:
        path, equals, values = text.partition("=")
        if not equals or not path.strip() or not values.strip():
            raise InputError(f"--grid {text!r}: write it as path=value,value.")
        if path.strip() in found:
            raise InputError(f"--grid {text!r}: {path.strip()} is there twice.")
        try:
            found[path.strip()] = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError:
            raise InputError(f"--grid {text!r}: the values are not YAML.") from None
    if not found:
        raise InputError("--grid is missing: write --grid path=value,value at least once.")
    return found


def combinations(found: dict[str, list[Any]]) -> Iterator[Values]:
    """Every combination, the last axis fastest."""
    for values in itertools.product(*found.values()):
        yield dict(zip(found, values, strict=True))


def settings(values: Values) -> list[str]:
    """Values as `--set` takes them."""
    return [f"{path}={json.dumps(value)}" for path, value in values.items()]


def scenario_at(name: str, changes: Iterable[str], values: Values) -> Scenario:
    """The scenario with the values of one combination."""
    return load(name, [*changes, *settings(values)])


def key(scenario: Scenario) -> str:
    """What a point is kept under."""
    return hashlib.sha256(f"{kvsim.__version__}\n{dump(scenario)}".encode()).hexdigest()[:16]


def solve(name: str, changes: tuple[str, ...], values: Values, folder: Path | None) -> Point:
    """Run one combination, or read what an earlier sweep has kept of it."""
    try:
        scenario = scenario_at(name, changes, values)
    except InputError as error:
        return Point(values, "", None, str(error))
    digest = key(scenario)
    file = folder / f"{digest}.json" if folder is not None else None
    if file is not None and file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Point(values, digest, kept["summary"], kept["error"])
    summary, failure = None, None
    try:
        summary = run(scenario).summary
    except InputError as fault:
        failure = str(fault)
    if file is not None:
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"summary": summary, "error": failure}), encoding="utf-8")
        draft.replace(file)
    return Point(values, digest, summary, failure)


def solved(
    name: str, changes: tuple[str, ...], grid: dict[str, list[Any]], folder: Path | None = None,
    jobs: int = 1, executor: str = "process", told: Callable[[Point], None] = lambda point: None,
) -> list[Point]:  # fmt: skip
    """Every point of a grid, in its order, `jobs` at a time; `told` hears each."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    asked = list(combinations(grid))
    found = []
    for point in _each(name, changes, asked, folder, jobs, executor):
        told(point)
        found.append(point)
    return found


def _each(
    name: str, changes: tuple[str, ...], asked: list[Values], folder: Path | None, jobs: int,
    executor: str,
) -> Iterator[Point]:  # fmt: skip
    if executor == "ray":
        yield from _on_ray(name, changes, asked, folder)
    elif jobs == 1 or len(asked) == 1:
        for values in asked:
            yield solve(name, changes, values, folder)
    else:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            count = len(asked)
            yield from pool.map(solve, [name] * count, [changes] * count, asked, [folder] * count)


def _on_ray(
    name: str, changes: tuple[str, ...], asked: list[Values], folder: Path | None
) -> Iterator[Point]:
    try:
        import ray
    except ImportError:
        raise InputError(
            "--executor ray: Ray is not installed; pip install 'kvsim[cluster]'."
        ) from None
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    task = ray.remote(solve)
    waiting = [task.remote(name, changes, values, folder) for values in asked]
    for one in waiting:
        yield ray.get(one)
