"""A wire between two devices: how fast, how soon, and whether both ways at once."""

from dataclasses import dataclass

from kvsim.hardware.amounts import share
from kvsim.hardware.sheet import Sheet
from kvsim.units import Ns, bandwidth, duration


@dataclass(frozen=True, slots=True)
class Link:
    """A wire as its standard defines it. `payload` is what a large copy gets out of it."""

    bandwidth: float
    """Bytes per second and direction, before packet overhead: nothing can be faster."""
    latency: Ns = 0
    """From the first byte sent to the first byte landed, without software."""
    duplex: bool = True
    """Both directions at full speed at the same time."""
    efficiency: float = 1.0
    """Share of the bandwidth that a large copy sees, after headers and flow control."""

    @property
    def payload(self) -> float:
        """Bytes per second and direction that a large copy sees."""
        return self.bandwidth * self.efficiency


def read_link(part: Sheet) -> Link:
    """A link from its fields."""
    return Link(
        bandwidth=part.number("bandwidth", bandwidth),
        latency=part.number("latency", duration, zero=True),
        duplex=part.plain("duplex", True),
        efficiency=part.optional("efficiency", share) or 1.0,
    )
