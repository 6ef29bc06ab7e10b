"""A network port of a node: how much it carries, and how soon."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvsim.hardware.amounts import share
from kvsim.hardware.link import Link
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf
from kvsim.units import Ns, bandwidth, duration


@dataclass(frozen=True)
class Nic:
    """One port with its protocol."""

    name: str
    title: str
    bandwidth: float
    """Bytes per second and direction on the wire."""
    efficiency: float
    """Share of it that is payload in large transfers."""
    latency: Ns
    """One way, application to application, for a small message through one switch."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each number was read, by field."""

    @property
    def link(self) -> Link:
        """The port as a link between two nodes."""
        return Link(self.bandwidth, self.latency, True, self.efficiency)


def _read(sheet: Sheet, name: str) -> Nic:
    """A network port from its sheet."""
    return Nic(
        name=name,
        title=sheet.plain("title", name),
        bandwidth=sheet.number("bandwidth", bandwidth),
        efficiency=sheet.number("efficiency", share),
        latency=sheet.number("latency", duration, zero=True),
        sources=sheet.sources,
    )


SHELF = Shelf("network port", "nics.yaml", _read)


def nic(name_or_path: str) -> Nic:
    """The network port of that name or alias in the catalogue, or of a YAML file."""
    return SHELF.find(name_or_path)


def nics() -> list[str]:
    """Names of the catalogue's network ports."""
    return SHELF.names()
