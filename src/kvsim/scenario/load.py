"""From YAML and `--set` to a Scenario, with errors that name the path of what is wrong."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kvsim.errors import InputError, perhaps
from kvsim.scenario.faults import sentences
from kvsim.scenario.presets import completed
from kvsim.scenario.schema import Scenario
from kvsim.sim.recorder import TIERS

PACKAGE = Path(__file__).resolve().parent.parent
SHIPPED = PACKAGE / "scenarios"
SAMPLES = PACKAGE / "traces" / "samples"


def names() -> list[str]:
    """Names of the scenarios that come with kvsim."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a scenario: a path, a run folder, or the name of a shipped one."""
    path = Path(name)
    if path.is_file():
        return path
    if (path / "scenario.yaml").is_file():
        return path / "scenario.yaml"  # a run folder stands for what was run
    if path.name == name and path.stem in names() and path.suffix in ("", ".yaml"):
        return SHIPPED / f"{path.stem}.yaml"
    if name and path.is_dir():
        raise InputError(f"{name} is a folder without a scenario.yaml; a scenario is a YAML file.")
    raise InputError(
        f"There is no scenario {name!r}: no such file, and none of that name is shipped."
        f"{perhaps(name, names())}"
    )


def load(
    name: str,
    changes: Iterable[str] = (),
    trace: str | None = None,
    format: str | None = None,
    seed: int | None = None,
) -> Scenario:
    """Read a scenario; let `trace` (and its `format`) and `seed` replace its own, then apply
    `path=value` changes, in order."""
    path = find(name)
    document = read(path)
    if trace is not None:
        document["workload"] = {"trace": _replayed(document, trace, format)}
    elif format is not None:
        raise InputError("--format says how to read --trace FILE, which is missing.")
    if seed is not None:
        document["seed"] = seed
    for change in changes:
        apply(document, change)
    _locate(document, path.parent)
    return parse(document, str(path))


class _Loader(yaml.SafeLoader):
    """Safe YAML whose mappings name a key once: of two values the last would win, unheard."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Any]:
    """The YAML document of a file, which must be a mapping."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {_one_line(error)}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise InputError(f"{path} holds {found}; a scenario is a mapping of keys to values.")
    return document


def apply(document: dict[str, Any], change: str) -> None:
    """Set one dotted path of a document, as `policies.eviction=lru`; the value is YAML."""
    path, equals, text = change.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"--set {change!r}: write it as path=value, as in policies.eviction=lru.")
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError as error:
        raise InputError(f"--set {change!r}: the value is not YAML: {_one_line(error)}.") from None
    if keys == ["cluster", "gpu"]:
        keys = ["cluster", "node", "gpu"]
    place: Any = document
    for depth, key in enumerate(keys[:-1]):
        place = _step(place, key, keys[: depth + 1], change)
        if depth == 1 and keys[0] == "policies" and _replaces(keys, place):
            place.clear()
    if isinstance(place, list):
        place[_index(place, keys[-1], change)] = value
    else:
        if keys[0] == "workload" and len(keys) == 2:
            place.clear()  # another kind of workload replaces the one in the file
        place[keys[-1]] = value


def _replaces(keys: list[str], found: dict[str, Any]) -> bool:
    """Whether a policy given parameters is another than the one found; tiers have one each."""
    return len(keys) > 3 and keys[2] not in found and not {*found, keys[2]} & set(TIERS)


def _replayed(document: dict[str, Any], trace: str, format: str | None) -> dict[str, Any]:
    """The fields of a trace workload: the scenario's own, but for the file and its format."""
    found = document.get("workload")
    own = found.get("trace") if isinstance(found, dict) else None
    kept = {key: value for key, value in (own or {}).items() if key not in ("file", "format")}
    return {"file": trace, **({"format": format} if format else {}), **kept}


def _locate(document: dict[str, Any], folder: Path) -> None:
    """A trace file is looked for here, then beside the scenario, then among the samples."""
    found = document.get("workload")
    fields = found.get("trace") if isinstance(found, dict) else None
    if not isinstance(fields, dict) or not isinstance(fields.get("file"), str):
        return
    for place in (Path(), folder, SAMPLES):
        if (place / fields["file"]).is_file():
            fields["file"] = str(place / fields["file"])
            return


def parse(document: Mapping[str, Any], source: str) -> Scenario:
    """A checked Scenario. Raises InputError that names every wrong path."""
    try:
        return Scenario.model_validate(completed(document))
    except ValidationError as error:
        raise InputError(f"{source}: " + "\n".join(sentences(error))) from None


def dump(scenario: Scenario) -> str:
    """The scenario as YAML, with every default written out."""
    document = scenario.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _step(place: Any, key: str, keys: list[str], change: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, key, change)]
    inner = place.get(key)
    if isinstance(inner, str) and keys[0] == "policies":
        inner = place[key] = {}  # a policy named without parameters is given some
    if inner is None:
        inner = place[key] = {}
    if not isinstance(inner, dict | list):
        raise InputError(f"--set {change!r}: {'.'.join(keys)} is {inner!r}, which has no parts.")
    return inner


def _index(place: list[Any], key: str, change: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        allowed = ", ".join(str(index) for index in range(len(place)))
        raise InputError(f"--set {change!r}: {key!r} is no place in a list; allowed: {allowed}.")
    return int(key)


def _one_line(error: Exception) -> str:
    """What is wrong with a piece of YAML, and in which line."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}: {problem}"
