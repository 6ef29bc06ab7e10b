"""Do the classic policies miss as often as in their authors' simulator, libCacheSim?

Each block is an object of size 1 and each request is one block. `tests/unit/test_libcachesim.py`
holds counts of a shorter stream, which need no registry.
"""

from pathlib import Path

import numpy as np
import pytest
from public_tools import ask, install
from shared import shared

from kvsim.policies import answers
from kvsim.sim.hitrate import Lookups
from kvsim.traces import open_trace
from kvsim.traces.runs import block_ids

pytestmark = pytest.mark.slow

PACKAGE = "libcachesim==0.3.5"
PROGRAM = """
import json, sys
import libcachesim

def misses(name, ids, capacity):
    tried = getattr(libcachesim, name)(capacity, hashpower=18)
    request = libcachesim.Request()
    request.obj_size = 1
    missed = 0
    for request.obj_id in ids:
        missed += not tried.get(request)
    return missed

names, capacities, ids = json.load(sys.stdin)
print(json.dumps({name: [misses(name, ids, size) for size in capacities] for name in names}))
"""
CAPACITIES = {"conversation": (1000, 10_000, 52_428), "zipf": (100, 1000, 5000)}
ALIKE = {
    "lru": "LRU",
    "fifo": "FIFO",
    "lfu": "LFU",
    "clock": "Clock",
    "sieve": "Sieve",
    "s3fifo": "S3FIFO",
    "arc": "ARC",
    "2q": "TwoQ",
    "gdsf": "GDSF",
}
OTHERWISE = {"slru": "SLRU", "lirs": "LIRS", "lecar": "LeCaR", "tinylfu": "WTinyLFU"}
"""Defined otherwise: their docstrings say how."""
MISSES = {
    "conversation": {
        "slru": ([274_629, 250_171, 188_445], [274_921, 255_682, 195_367]),
        "lirs": ([272_741, 233_584, 211_518], [272_781, 232_344, 211_441]),
        "lecar": ([275_390, 226_435, 185_851], [275_537, 227_335, 185_984]),
        "tinylfu": ([270_200, 239_492, 211_644], [272_373, 251_636, 218_504]),
    },
    "zipf": {
        "slru": ([66_346, 44_809, 26_766], [66_843, 45_327, 27_054]),
        "lirs": ([65_849, 44_431, 26_834], [65_890, 44_520, 26_924]),
        "lecar": ([66_263, 45_149, 27_672], [76_975, 52_240, 29_036]),
        "tinylfu": ([65_590, 43_511, 26_293], [65_714, 44_549, 26_872]),
    },
}
"""Misses of these here, and in libCacheSim 0.3.5."""


def conversation() -> list[int]:
    """Block ids of the Mooncake conversation trace, one after another."""
    requests = open_trace(str(shared("traces/mooncake_conversation.jsonl.gz"))).arrivals()
    return [block for request in requests for block in block_ids(request.blocks)]


def zipf() -> list[int]:
    """100,000 draws of 20,000 blocks, the k-th with weight k^-0.9."""
    weights = np.cumsum(1 / np.arange(1, 20_001) ** 0.9)
    draws = np.random.Generator(np.random.PCG64(1)).random(100_000)
    return [int(block) for block in np.searchsorted(weights, draws * weights[-1])]


@pytest.fixture(scope="module")
def libcachesim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("libcachesim"), PACKAGE)


@pytest.mark.parametrize("stream", [conversation, zipf], ids=lambda stream: stream.__name__)
def test_misses_are_those_of_libcachesim_or_differ_as_known(stream, libcachesim) -> None:
    ids, sizes = stream(), CAPACITIES[stream.__name__]
    lookups, registry = Lookups([(block,) for block in ids]), answers("eviction")

    def missed(name: str) -> list[int]:
        replays = (lookups.replay(registry.make(name), size) for size in sizes)
        return [len(ids) - point.hit_blocks for point in replays]

    names = {**ALIKE, **OTHERWISE}
    theirs = ask(libcachesim, PROGRAM, given=[list(names.values()), sizes, ids])
    assert {name: missed(name) for name in ALIKE} == {
        name: theirs[called] for name, called in ALIKE.items()
    }
    assert {name: (missed(name), theirs[called]) for name, called in OTHERWISE.items()} == MISSES[
        stream.__name__
    ]
