"""The groups of benchmarks: what each measures, and its share of the time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import attention, disk, dram, gemm, links, moving, processor
from .point import Bench, Point


class Group(NamedTuple):
    """Points that belong together."""

    points: Callable[[Bench], Iterator[Point]]
    weight: float
    """Its share of the time, beside the others'."""
    seconds: float
    """For the samples of one point."""


GPU = {
    "stream": Group(moving.stream_points, 2, 0.1),
    "gemm": Group(gemm.points, 26, 0.03),
    "decode": Group(attention.decode_points, 26, 0.04),
    "prefill": Group(attention.prefill_points, 12, 0.05),
    "links": Group(links.points, 8, 0.06),
    "blocks": Group(moving.block_points, 3, 0.05),
    "latent": Group(attention.latent_points, 5, 0.05),
    "cascade": Group(attention.cascade_points, 2, 0.05),
    "pages": Group(attention.page_points, 2, 0.05),
    "codes": Group(moving.code_points, 2, 0.05),
    "dram": Group(dram.points, 2, 0.3),
    "disk": Group(disk.points, 8, 0.5),
    "peers": Group(links.peer_points, 2, 0.1),
}
CPU = {
    "dram": Group(dram.points, 1, 0.3),
    "gemm": Group(gemm.points, 5, 0.25),
    "decode": Group(processor.decode_points, 3, 0.25),
    "prefill": Group(processor.prefill_points, 3, 0.25),
    "disk": Group(disk.points, 3, 0.4),
}


def groups(device: str) -> dict[str, Group]:
    """By name, in the order they are measured."""
    return CPU if device == "cpu" else GPU
