"""A drive for KV that does not fit in DRAM: throughput, small reads, and how long it lasts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvsim.errors import InputError
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf
from kvsim.units import SECOND, Ns, bandwidth, duration, rate, size

DAY = 86_400 * SECOND


@dataclass(frozen=True)
class Drive:
    """One NVMe drive, or the share of a remote one that a node sees."""

    name: str
    title: str
    capacity: int
    """Bytes."""
    read: float
    """Bytes per second, large sequential reads at full queue depth."""
    write: float
    """Bytes per second, large sequential writes, sustained."""
    read_iops: float
    """4 KiB random reads per second at full queue depth."""
    write_iops: float
    """4 KiB random writes per second, sustained."""
    read_latency: Ns
    """One 4 KiB random read on the idle drive."""
    write_latency: Ns
    """One 4 KiB write on the idle drive: into its cache that survives power loss."""
    depths: tuple[tuple[int, float], ...]
    """Measured 4 KiB random reads per second by queue depth, rising. Empty: none published."""
    endurance: int | None
    """Bytes that may be written under warranty. None: not stated, or not the user's to wear out."""
    warranty: Ns | None
    """Nanoseconds over which `endurance` may be spent."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each number was read, by field."""

    @property
    def writes_per_day(self) -> float | None:
        """Whole-drive writes per day (DWPD) that spend `endurance` over the warranty."""
        if self.endurance is None or self.warranty is None:
            return None
        return self.endurance / self.capacity * DAY / self.warranty

    def reads(self, depth: int) -> float:
        """4 KiB random reads per second with `depth` of them in flight.

        By the measured curve where there is one, straight between its points; else by Little's
        law, depth / latency, up to the drive's limit: an upper bound in the bend of the curve.
        """
        if not self.depths:
            return min(self.read_iops, depth * SECOND / self.read_latency)
        before = (0, 0.0)
        for after in self.depths:
            if depth <= after[0]:
                part = (depth - before[0]) / (after[0] - before[0])
                return before[1] + part * (after[1] - before[1])
            before = after
        return before[1]


def _read(sheet: Sheet, name: str) -> Drive:
    """A drive from its sheet."""
    return Drive(
        name=name,
        title=sheet.plain("title", name),
        capacity=sheet.number("capacity", size),
        read=sheet.number("read", bandwidth),
        write=sheet.number("write", bandwidth),
        read_iops=sheet.number("read_iops", rate),
        write_iops=sheet.number("write_iops", rate),
        read_latency=sheet.number("read_latency", duration),
        write_latency=sheet.number("write_latency", duration),
        depths=sheet.optional("depths", _curve) or (),
        endurance=sheet.optional("endurance", size),
        warranty=sheet.optional("warranty", duration),
        sources=sheet.sources,
    )


def _curve(value: object) -> tuple[tuple[int, float], ...]:
    """`{1: 12000 /s, 32: 300000 /s}` as rising pairs of queue depth and operations per second."""
    if isinstance(value, dict):  # JSON has no keys but texts
        value = {int(key) if str(key).isdigit() else key: found for key, found in value.items()}
    if not isinstance(value, dict) or not all(isinstance(depth, int) for depth in value):
        raise InputError(f"{value!r} is not a curve. Write it as {{1: 12000 /s, 32: 300000 /s}}.")
    curve = tuple(sorted((depth, rate(found)) for depth, found in value.items()))
    speeds = [speed for _, speed in curve]
    if curve[0][0] < 1 or speeds != sorted(speeds):
        raise InputError(f"{value!r} must start at depth 1 or more and never fall.")
    return curve


SHELF = Shelf("drive", "drives.yaml", _read)


def drive(name_or_path: str) -> Drive:
    """The drive of that name or alias in the catalogue, or of a YAML file."""
    return SHELF.find(name_or_path)


def drives() -> list[str]:
    """Names of the catalogue's drives."""
    return SHELF.names()
