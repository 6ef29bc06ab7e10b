"""Any device by its name, whatever its kind: for commands that take one word."""

from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError, perhaps
from kvsim.hardware.drive import SHELF as DRIVES
from kvsim.hardware.drive import Drive
from kvsim.hardware.gpu import GPU
from kvsim.hardware.gpu import SHELF as GPUS
from kvsim.hardware.host import SHELF as HOSTS
from kvsim.hardware.host import Host
from kvsim.hardware.nic import SHELF as NICS
from kvsim.hardware.nic import Nic
from kvsim.hardware.pcie import SHELF as PCIES
from kvsim.hardware.pcie import Pcie
from kvsim.hardware.shelf import JSON, Shelf, is_path, read_yaml

Device = GPU | Host | Drive | Nic | Pcie
TELLS = {"flops": "gpu", "cores": "host", "read_iops": "drive"}
"""Fields that only one kind of device has; a file with none of them is a network port."""


class Found(NamedTuple):
    """A device and its kind."""

    kind: str
    device: Device


def device(name_or_path: str) -> Found:
    """The device of that name; GPUs first. Raises InputError where no kind has it."""
    shelves: dict[str, Shelf[Any]] = {
        "gpu": GPUS,
        "host": HOSTS,
        "drive": DRIVES,
        "nic": NICS,
        "pcie": PCIES,
    }
    if is_path(name_or_path):
        if name_or_path.endswith(JSON):
            return Found("gpu", GPUS.find(name_or_path))
        fields = read_yaml(Path(name_or_path))
        kind = next((kind for field, kind in TELLS.items() if field in fields), "nic")
        return Found(kind, shelves[kind].find(name_or_path))
    for kind, shelf in shelves.items():
        if shelf.known(name_or_path) is not None:
            return Found(kind, shelf.find(name_or_path))
    words = [word for shelf in shelves.values() for word in shelf.words()]
    hint = perhaps(name_or_path, words) or " `kvsim hardware list` shows what there is."
    raise InputError(f"There is no GPU, host, drive or port {name_or_path!r}.{hint}")
