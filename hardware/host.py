"""The server around the GPUs: its DRAM and its cores."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvsim.hardware.amounts import count
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf
from kvsim.units import bandwidth, size


@dataclass(frozen=True)
class Host:
    """One node without its GPUs and drives."""

    name: str
    title: str
    memory: int
    """Bytes of DRAM as sold with the node."""
    bandwidth: float
    """Bytes per second of DRAM, all sockets together, by channels and transfer rate."""
    cores: int
    """Physical cores, all sockets together."""
    numa: int
    """NUMA nodes: memory on another one is behind the link between sockets."""
    gpus: int
    """GPUs the node is built for."""
    between: float | None
    """Bytes per second and direction between two NUMA nodes. None: not known."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each number was read, by field."""


def _read(sheet: Sheet, name: str) -> Host:
    """A host from its sheet."""
    return Host(
        name=name,
        title=sheet.plain("title", name),
        memory=sheet.number("memory", size),
        bandwidth=sheet.number("bandwidth", bandwidth),
        cores=sheet.number("cores", count),
        numa=sheet.number("numa", count),
        gpus=sheet.number("gpus", count),
        between=sheet.optional("between", bandwidth),
        sources=sheet.sources,
    )


SHELF = Shelf("host", "hosts.yaml", _read)


def host(name_or_path: str) -> Host:
    """The host of that name or alias in the catalogue, or of a YAML file."""
    return SHELF.find(name_or_path)


def hosts() -> list[str]:
    """Names of the catalogue's hosts."""
    return SHELF.names()
