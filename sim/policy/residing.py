"""The question where a replica's weights and KV live, and who attends to KV that is not in HBM."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from kvsim.units import Ns


class Site(NamedTuple):
    """What an answer may know of a replica, all its GPUs together, and of its share of the node."""

    layers: int
    hidden: int
    query_heads: int
    weights: int
    """Bytes."""
    token: int
    """KV bytes of a token in all layers."""
    room: int
    """HBM bytes for weights and KV together."""
    hbm: float
    """Bytes per second of its HBM."""
    dram: float
    """Bytes per second of its share of the host's DRAM."""
    dram_bytes: int
    """Bytes of its share of the host's DRAM."""
    cores: int
    """Its share of the host's cores."""
    pcie: float
    """Bytes per second and direction to the host."""
    pcie_latency: Ns


class Worker(NamedTuple):
    """What reads the KV that is not in HBM: a CPU, a drive, or the GPU itself over a wire."""

    name: str
    capacity: int
    """Bytes of KV it keeps."""
    read: float
    """Bytes of KV per second that go through it."""
    wire: float = float("inf")
    """Bytes per second of queries, keys, values and outputs between it and the GPU."""
    latency: Ns = 0
    """One way."""
    exchanged: int = 0
    """Bytes of these per sequence, layer and step."""
    selected: float = 1.0
    """Share of the stored tokens that a step reads."""
    attends: bool = True
    """It computes attention by itself; otherwise it hands the KV to the GPU."""


class Residence(NamedTuple):
    """Where things are."""

    weights: float = 1.0
    """Share of the weights in HBM; the rest comes up in every step."""
    stream: float = float("inf")
    """Bytes per second at which it does."""
    worker: Worker | None = None
    hbm_first: bool = True
    """KV fills HBM before the worker gets any; otherwise the worker gets all."""
    halves: bool = False
    """Two sub-batches take turns, so that the GPU computes one while the worker attends for the
    other: every weight is read twice a step."""


class Residency(ABC):
    """Where weights and KV live. Asked once a replica, before the run."""

    @abstractmethod
    def residence(self, site: Site) -> Residence | None:
        """None: everything is in HBM."""
