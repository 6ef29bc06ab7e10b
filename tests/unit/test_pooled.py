"""Memory and drives of all nodes as one place: what is found, over which wires, and how fast?"""

import pytest
from machine import Affine, Below, Machine

from kvsim.errors import InputError
from kvsim.hardware import drive, nic
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.units import MS

PARTS = Below("dram", 1000, 8_000.0, shared=True, parts=3)
"""Three places behind 8 kB/s each."""
TWO_NODES = (
    "cluster.node.gpus=1",
    "cluster.pools.0.replicas=2",
    "cluster.tiers.dram.scope=cluster",
)


def test_what_is_spread_comes_from_all_places_at_once() -> None:
    """144 tokens of a byte each, 48 from each place, take 6 ms; then 16 are computed in 11.6."""
    made = Machine(blocks=11, timing=Affine(base=10 * MS, per_token=MS // 10), tiers=(PARTS,))
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(176, 1, "100 ms", blocks=(100, 11), block_tokens=16)
    made.send(160, 1, "200 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    assert outcome["hit_dram"] == [0, 0, 144]
    assert outcome["load"] == [0, 0, 6 * MS]
    assert outcome.ms("first_token") == [26, 127.6, 200 + 6 + 11.6]
    tier, *wires = made.below["dram", 0]
    assert [wire.bytes for wire in wires[::2]] == [48, 48, 48]
    assert sum(wire.bytes for wire in wires[1::2]) == tier.written == (10 + 11) * 16


def test_the_part_of_another_node_comes_over_both_ports() -> None:
    machine = build(load("dram", TWO_NODES))
    tier = machine.room.tiers["dram", 0]
    here = machine.scenario.cluster.tiers.dram
    assert here is not None
    assert tier.capacity == 2 * here.capacity
    first, second = (
        [link.name for link in read]
        for read, _ in machine.room.reaches(machine.room.spots[0], machine.pools[0].gpu)[0].stripes
    )
    assert first == ["dram 0", "h2d 0.0"]
    assert second == ["dram 1", "net-out 1", "net-in 0", "h2d 0.0"]
    port = machine.room.fabric.links["net-in 0"]
    assert port.bandwidth == nic("rdma-200g").link.payload


def test_one_node_is_all_nodes() -> None:
    alone, pooled = (
        build(load("dram", (f"cluster.tiers.dram.scope={scope}", "workload.sessions.sessions=20")))
        for scope in ("node", "cluster")
    )
    alone.simulation.run()
    pooled.simulation.run()
    assert pooled.simulation.recorder.requests == alone.simulation.recorder.requests


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("policies.placement.dram=write_back", "cannot be written back"),
        ("policies.prefetch=queue", "is not copied ahead of its use"),
        ("policies.prefetch=session_return", "is not copied ahead of its use"),
        ("cluster.tiers.remote={capacity: 1 TiB, link: rdma-100g}", "a node has one port"),
    ],
)
def test_what_asks_for_one_place_is_refused(change: str, words: str) -> None:
    with pytest.raises(InputError, match=r"cluster\.tiers\.dram\.scope: ") as error:
        build(load("dram", (*TWO_NODES, change)))
    assert words in str(error.value)


def test_small_reads_one_after_the_other_are_slow() -> None:
    """One read in flight: its latency and its bytes, then the next; many share the drive."""
    one = drive("nvme-gen4")
    speeds = []
    for depth in (1, 4, 1024):
        changes = (f"cluster.tiers.ssd={{capacity: 1 TiB, chunk_tokens: 1, queue_depth: {depth}}}",)
        machine = build(load("dram-ssd", changes))
        reach = machine.room.reaches(machine.room.spots[0], machine.pools[0].gpu)[-1]
        speeds.append(min(reach.read_ceiling, one.read))
    piece = 131_072  # bytes of a token of Llama-3.1-8B in bf16
    assert speeds[0] == pytest.approx(piece / (one.read_latency / 1e9 + piece / one.read))
    assert speeds[1] == pytest.approx(4 * speeds[0])
    assert speeds[2] == one.read


def test_memory_on_all_sockets_comes_over_the_link_between_them() -> None:
    """GPU 0 of eight is on socket 0 of two: half of its KV lies on socket 1."""
    machine = build(load("dram", ("cluster.node.interleave=true",)))
    reach = machine.room.reaches(machine.room.spots[0], machine.pools[0].gpu)[0]
    names = [[link.name for link in read] for read, _ in reach.stripes]
    assert names == [["dram 0", "h2d 0.0"], ["dram 0", "socket 0.1-0", "h2d 0.0"]]
    assert [share for _, share in reach.reads(1001)] == [500, 501]
    machine.simulation.run()
    moved = {link.name: link.bytes for link in machine.room.fabric.links.values()}
    assert moved["socket 0.1-0"] == pytest.approx(moved["h2d 0.0"] / 2, rel=1e-6)
    assert moved["socket 0.0-1"] == pytest.approx(moved["d2h 0.0"] / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("cluster.node.host=dgx-a100", "nobody says how fast the sockets of dgx-a100"),
        ("cluster.tiers.dram.scope=cluster", "leave one of them out"),
    ],
)
def test_sockets_that_nobody_knows_are_refused(change: str, words: str) -> None:
    with pytest.raises(InputError, match=r"cluster\.node\.interleave: ") as error:
        build(load("dram", ("cluster.node.interleave=true", change)))
    assert words in str(error.value)
