"""Tables made from the installed aiconfigurator-core, once per GPU and engine, and kept.

Its files are Parquet tables of up to a million rows; reading them takes seconds, the table made
from them milliseconds. The folder is `$XDG_CACHE_HOME/kvsim`, or `~/.cache/kvsim`. A file there is
named by all that it depends on, and can be deleted at any time.
"""

import gzip
import hashlib
import json
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from kvsim.calibration.importers import aiconfigurator
from kvsim.calibration.importers.write import save
from kvsim.calibration.table import Table, parse
from kvsim.errors import InputError, perhaps
from kvsim.models.catalogue import model, names

PACKAGE = "aiconfigurator_core"
SYSTEMS = {
    "a100-80gb": "a100_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "h100-sxm": "h100_sxm",
    "h200": "h200_sxm",
    "l40s": "l40s",
    "rtx-pro-6000": "rtx_pro_6000_server",
}
"""The package's folder of each GPU."""
ENGINES = ("sglang", "trtllm", "vllm")
OTHERS = "vllm"
"""Whose kernels an engine runs that was not measured."""


def installed() -> Path:
    """The data folder of the installed package. Raises InputError, with what to type, if none."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (folder := Path(place) / "systems" / "data").is_dir():
            return folder
    raise InputError(
        "timing silicon reads the kernel tables of aiconfigurator-core, which is not installed: "
        "pip install 'kvsim[silicon]'. Shipped tables need nothing: use timing fitted."
    )


def covered(gpu: str) -> list[str]:
    """Engines under which the installed package has a GPU's products; none if not the GPU."""
    if gpu not in SYSTEMS:
        return []
    system = installed() / SYSTEMS[gpu]
    return [engine for engine in ENGINES if (system / "gemm" / engine).is_dir()]


@cache
def baked(gpu: str, engine: str) -> Table:
    """The table of a GPU under an engine, from the cache or made now.

    Raises InputError for a GPU that was not measured, and without the package.
    """
    if gpu not in SYSTEMS:
        raise InputError(
            f"timing silicon: {gpu} was not measured; there are {', '.join(SYSTEMS)}."
            f"{perhaps(gpu, SYSTEMS)}"
        )
    data, engine = installed(), engine if engine in ENGINES else OTHERS
    path = cache_folder() / f"silicon-{gpu}-{engine}-{_inputs(data / SYSTEMS[gpu], data)}.json.gz"
    raw = _kept(path)
    if raw is None:
        raw = _made(data, gpu, engine)
        _keep(raw, path)
    return parse(json.loads(gzip.decompress(raw)), hashlib.sha256(raw).hexdigest())


def cache_folder() -> Path:
    """Where made tables are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "kvsim"


def _inputs(system: Path, data: Path) -> str:
    """A digest of the importer, the models whose experts it keeps, and the measured files."""
    found = hashlib.sha256(Path(aiconfigurator.__file__).read_bytes())
    for name in names():
        found.update(repr(model(name)).encode())
    for file in sorted(system.rglob("*.parquet")):
        found.update(f"{file.relative_to(data)} {file.stat().st_size}\n".encode())
    return found.hexdigest()[:16]


def _made(data: Path, gpu: str, engine: str) -> bytes:
    system = SYSTEMS[gpu]
    file = aiconfigurator.tables(aiconfigurator.read(data / system, engine), gpu, system)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.json.gz"
        save(file, path)
        return path.read_bytes()


def _kept(path: Path) -> bytes | None:
    """The cached file; None if there is none or it is not whole."""
    try:
        raw = path.read_bytes()
        gzip.decompress(raw)
    except (OSError, EOFError):
        return None
    return raw


def _keep(raw: bytes, path: Path) -> None:
    """Put the file there in one move; a folder that cannot be written only costs time later."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(raw)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
