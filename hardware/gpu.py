"""A GPU: what fits in it, how fast it reads, how fast it multiplies, and what it is wired to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvsim.hardware.amounts import count, dollars, watts
from kvsim.hardware.link import Link, read_link
from kvsim.hardware.pcie import LANES, pcie
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf
from kvsim.units import bandwidth, flops, size

FORMATS = ("bf16", "fp16", "fp8", "int8", "fp4", "tf32", "fp32")
"""Number formats a peak may be stated for."""
BY_BITS = {16: ("bf16", "fp16"), 8: ("fp8", "int8"), 4: ("fp4",)}
"""Formats that multiply operands of a width, best first."""


@dataclass(frozen=True)
class GPU:
    """One accelerator, or one half of a dual board, as its driver shows it."""

    name: str
    title: str
    memory: int
    """Bytes the driver reports, which is less than what the box says."""
    bandwidth: float
    """Bytes per second between memory and cores, by the data sheet."""
    flops: Mapping[str, float] = field(hash=False)
    """Dense FLOP/s by format, 32-bit accumulation, at boost clock: never the sparse figure."""
    l2: int
    """Bytes of the last cache that all cores share."""
    sms: int
    """Streaming multiprocessors (NVIDIA) or compute units (AMD)."""
    peer: Link | None
    """To the other GPUs of the node: NVLink or xGMI, all links together. None: through PCIe."""
    host: Link
    """To the host's memory."""
    power: float | None
    """Watts the board may draw. None: a calibration of a device nobody has a data sheet of."""
    price: float | None
    """US dollars per hour on demand. None: not rented out in public."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each number was read, by field: `memory`, `flops.bf16`, `peer.bandwidth`..."""
    visible: int | None = None
    """Bytes that CUDA or HIP shows to a process, and torch calls total: less than `memory`, which
    counts a part the driver keeps. None: nobody has published it."""

    def peak(self, bits: int | str = 16) -> float:
        """FLOP/s for operands of so many bits, or of a named format.

        What the GPU cannot multiply is widened to 16 bits first: an H100 has no 4-bit arithmetic.
        """
        wanted = (bits,) if isinstance(bits, str) else BY_BITS.get(bits, ())
        for name in (*wanted, *BY_BITS[16]):
            if name in self.flops:
                return self.flops[name]
        raise AssertionError("checked on reading: every GPU has a 16-bit format")


def _read(sheet: Sheet, name: str) -> GPU:
    """A GPU from its sheet. Raises InputError that names file and field."""
    return GPU(
        name=name,
        title=sheet.plain("title", name),
        memory=sheet.number("memory", size),
        bandwidth=sheet.number("bandwidth", bandwidth),
        flops=_flops(sheet),
        l2=sheet.number("l2", size),
        sms=sheet.number("sms", count),
        peer=_peer(sheet),
        host=_host(sheet.part("host")),
        power=sheet.optional("power", watts),
        price=sheet.optional("price", dollars("h"), zero=True),
        sources=sheet.sources,
        visible=sheet.optional("visible", size),
    )


def _flops(sheet: Sheet) -> dict[str, float]:
    part = sheet.part("flops")
    found = {name: part.optional(name, flops) for name in FORMATS}
    peaks = {name: peak for name, peak in found.items() if peak is not None}
    if not peaks.keys() & set(BY_BITS[16]):
        raise sheet.wrong("flops", "needs bf16 or fp16: formats a GPU lacks fall back to them.")
    return peaks


def _peer(sheet: Sheet) -> Link | None:
    return read_link(sheet.part("peer")) if "peer" in sheet else sheet.plain("peer", None)


def _host(part: Sheet) -> Link:
    if "pcie" not in part:
        return read_link(part)
    slot, source = part.cited("pcie")
    standard = pcie(slot)
    told = {f"host.{name}": why for name, why in standard.sources.items()}
    told["host.bandwidth"] = f"{standard.title} by {source}; {told['host.bandwidth']}"
    part.sources |= told
    lanes = part.plain("lanes", LANES)
    if lanes < 1:
        raise part.wrong("lanes", f"{lanes} must be above zero.")
    return standard.link(lanes)


SHELF = Shelf("GPU", "gpus", _read)


def gpu(name_or_path: str) -> GPU:
    """The GPU of that name or alias in the catalogue, or of a YAML file."""
    return SHELF.find(name_or_path)


def gpus() -> list[str]:
    """Names of the catalogue's GPUs."""
    return SHELF.names()
