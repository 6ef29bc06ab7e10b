"""A generation of PCI Express: what a slot can carry, and what a copy gets of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvsim.hardware.amounts import share
from kvsim.hardware.link import Link
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf
from kvsim.units import Ns, bandwidth, duration

LANES = 16
"""Lanes of a full slot, for which the catalogue states bandwidths."""


@dataclass(frozen=True)
class Pcie:
    """One generation, sixteen lanes wide."""

    name: str
    title: str
    bandwidth: float
    """Bytes per second and direction over 16 lanes, after line coding, before packet headers."""
    efficiency: float
    """Share of it that a large DMA copy to or from pinned memory sees."""
    latency: Ns
    """One crossing, root complex to device, without software."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each number was read, by field."""

    def link(self, lanes: int = LANES) -> Link:
        """A slot of so many lanes as a link."""
        return Link(self.bandwidth * lanes / LANES, self.latency, True, self.efficiency)


def _read(sheet: Sheet, name: str) -> Pcie:
    """A generation from its sheet."""
    return Pcie(
        name=name,
        title=sheet.plain("title", name),
        bandwidth=sheet.number("bandwidth", bandwidth),
        efficiency=sheet.number("efficiency", share),
        latency=sheet.number("latency", duration, zero=True),
        sources=sheet.sources,
    )


SHELF = Shelf("PCIe generation", "pcie.yaml", _read)


def pcie(name_or_path: str) -> Pcie:
    """The PCIe generation of that name or alias in the catalogue, or of a YAML file."""
    return SHELF.find(name_or_path)


def pcies() -> list[str]:
    """Names of the catalogue's PCIe generations."""
    return SHELF.names()
