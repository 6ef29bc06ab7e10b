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
from functools import lru_cache
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


LOST = "its process, or one beside it, was ended from outside: too little memory? Try fewer --jobs."


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
    """What a point is kept under: this version, the scenario, and what its files hold now."""
    held = "".join(f"\n{file}: {_digest(file, *stamp)}" for file, stamp in _files(scenario))
    told = f"{kvsim.__version__}\n{dump(scenario)}{held}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _files(scenario: Scenario) -> Iterator[tuple[str, tuple[int, int]]]:
    """Files that a scenario names, a trace or a GPU's tables, each with its size and age."""
    waiting: list[Any] = [scenario.model_dump(mode="json")]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict | list | tuple):
            waiting += found.values() if isinstance(found, dict) else found
        elif isinstance(found, str) and "." in found and Path(found).is_file():
            about = Path(found).stat()
            yield found, (about.st_size, about.st_mtime_ns)


@lru_cache
def _digest(file: str, bytes: int, written: int) -> str:
    """Of the content; read again only where size or age have changed."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def kept(name: str, changes: tuple[str, ...], values: Values, folder: Path | None) -> Point | None:
    """What is known of a combination without running it: it is kept, or it is no scenario."""
    try:
        digest = key(scenario_at(name, changes, values))
    except InputError as error:
        return Point(values, "", None, str(error))
    file = folder / f"{digest}.json" if folder is not None else None
    if file is None or not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return Point(values, digest, found["summary"], found["error"])


def solve(name: str, changes: tuple[str, ...], values: Values, folder: Path | None) -> Point:
    """Run one combination, or read what an earlier sweep has kept of it.

    Whatever goes wrong is the point's error, so that others run. Only what its author can mend is
    kept: what came of a fault of the program or of the machine is tried again.
    """
    known = kept(name, changes, values, folder)
    if known is not None:
        return known
    scenario = scenario_at(name, changes, values)
    summary, error = None, None
    try:
        summary = run(scenario).summary
    except InputError as fault:
        error = str(fault)
    except Exception as fault:
        return Point(values, key(scenario), None, f"{type(fault).__name__}: {fault}")
    if folder is not None:
        file = folder / f"{key(scenario)}.json"
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"summary": summary, "error": error}), encoding="utf-8")
        draft.replace(file)
    return Point(values, key(scenario), summary, error)


def make(folder: Path) -> None:
    """A folder for results, if it is not there. Raises InputError where there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from None


def solved(
    name: str, changes: tuple[str, ...], grid: dict[str, list[Any]], folder: Path | None = None,
    jobs: int = 1, executor: str = "process", told: Callable[[Point], None] = lambda point: None,
) -> list[Point]:  # fmt: skip
    """Every point of a grid, in its order, `jobs` at a time; `told` hears each."""
    if folder is not None:
        make(folder)
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
        return
    known = [kept(name, changes, values, folder) for values in asked]
    missing = [values for values, point in zip(asked, known, strict=True) if point is None]
    fresh = _run(name, changes, missing, folder, min(jobs, len(missing)))
    for point in known:
        yield point or next(fresh)


def _run(
    name: str, changes: tuple[str, ...], asked: list[Values], folder: Path | None, jobs: int
) -> Iterator[Point]:
    """Points that are not there yet, in order."""
    if jobs <= 1:
        yield from (solve(name, changes, values, folder) for values in asked)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(solve, name, changes, values, folder) for values in asked]
        for values, one in zip(asked, waiting, strict=True):
            try:
                yield one.result()
            except BrokenProcessPool:
                yield Point(values, "", None, LOST)


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
