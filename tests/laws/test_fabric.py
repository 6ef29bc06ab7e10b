"""Do flows take what arithmetic says, and is a link shared fairly and never idle in vain?"""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from kvsim.sim.clock import LANDED, Alarm, Clock
from kvsim.sim.fabric import LOAD, STORE, Fabric, Link
from kvsim.units import SECOND

GB = 10**9


class Room:
    """A fabric and a log of when what landed."""

    def __init__(self, *links: Link) -> None:
        self.clock = Clock()
        self.fabric = Fabric(self.clock, links)
        self.landed: dict[str, int] = {}

    def send(self, name: str, size: int, *path: Link, at: int = 0, **more) -> None:
        def go(event: object) -> None:
            self.fabric.send(
                size, path, lambda: self.landed.__setitem__(name, self.clock.now), **more
            )

        Alarm(self.clock, at, LANDED).callbacks.append(go)

    def run(self) -> dict[str, int]:
        self.clock.run()
        return self.landed


def test_one_flow_takes_latency_and_size_over_bandwidth() -> None:
    wire = Link("wire", 3 * GB, latency=2000)
    room = Room(wire)
    room.send("a", 10**9, wire)
    assert room.run() == {"a": 2000 + ceil(10**9 / 3)}
    assert wire.bytes == 10**9


def test_n_flows_on_one_link_each_take_n_times_as_long() -> None:
    wire = Link("wire", GB)
    room = Room(wire)
    for index in range(7):
        room.send(f"{index}", 1_000_000, wire)
    assert room.run() == {f"{index}": 7_000_000 for index in range(7)}
    assert wire.busy == 7_000_000


def test_a_later_flow_shares_what_is_left() -> None:
    wire = Link("wire", GB)
    room = Room(wire)
    room.send("first", 3000, wire)
    room.send("second", 3000, wire, at=1000)
    # alone for 1000 ns, then half each: 2000 bytes of the first take 4000 ns; the rest is alone
    assert room.run() == {"first": 5000, "second": 6000}
    assert wire.delay == 2000 + 2000


def test_crossing_flows_are_max_min_fair() -> None:
    left, right = Link("left", 10 * GB), Link("right", 4 * GB)
    room = Room(left, right)
    room.send("both", 20_000, left, right)
    room.send("left", 80_000, left)
    room.send("right", 20_000, right)
    # right is the bottleneck: 2 GB/s for two; what is left of `left` is 8 GB/s
    assert room.run() == {"both": 10_000, "left": 10_000, "right": 10_000}


def test_a_path_is_as_fast_as_its_slowest_link_and_has_all_latencies() -> None:
    drive, pcie = Link("drive", 7 * GB, latency=80_000), Link("pcie", 55 * GB, latency=1000)
    room = Room(drive, pcie)
    room.send("a", 7_000_000, drive, pcie)
    assert room.run() == {"a": 81_000 + 1_000_000}


def test_loads_outrank_stores() -> None:
    wire = Link("wire", GB)
    room = Room(wire)
    room.send("store", 1000, wire, rank=STORE)
    room.send("load", 500, wire, at=100, rank=LOAD)
    assert room.run() == {"load": 600, "store": 1500}


def test_few_places_make_a_queue() -> None:
    drive = Link("drive", GB, places=1)
    room = Room(drive)
    for name in "abc":
        room.send(name, 1000, drive)
    assert room.run() == {"a": 1000, "b": 2000, "c": 3000}


def test_a_flow_does_no_more_than_its_ceiling() -> None:
    wire = Link("wire", 3 * GB)
    room = Room(wire)
    room.send("slow", 1000, wire, ceiling=GB)
    room.send("fast", 2000, wire)
    assert room.run() == {"slow": 1000, "fast": 1000}


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**9),
            st.sets(st.integers(0, 3), min_size=1),
            st.integers(0, SECOND),
            st.sampled_from([LOAD, STORE]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_bytes_are_conserved_and_no_link_is_faster_than_it_can(flows) -> None:
    links = [Link(f"{index}", (index + 1) * GB, latency=index * 100) for index in range(4)]
    room = Room(*links)
    for index, (size, path, at, rank) in enumerate(flows):
        room.send(f"{index}", size, *(links[place] for place in sorted(path)), at=at, rank=rank)
    landed = room.run()
    assert len(landed) == len(flows)
    for place, link in enumerate(links):
        sent = sum(size for size, path, _, _ in flows if place in path)
        assert link.bytes == sent
        assert sent <= link.bandwidth * (link.busy + len(flows)) / SECOND
    for index, (size, path, at, _) in enumerate(flows):
        slowest = min(links[place].bandwidth for place in path)
        latency = sum(links[place].latency for place in path)
        assert landed[f"{index}"] >= at + latency + size * SECOND / slowest - 1


@given(st.lists(st.tuples(st.integers(1, 10**8), st.integers(0, 10**8)), min_size=1, max_size=15))
def test_a_link_with_work_is_never_idle(flows) -> None:
    wire = Link("wire", GB)
    room = Room(wire)
    for index, (size, at) in enumerate(flows):
        room.send(f"{index}", size, wire, at=at)
    landed = room.run()
    free = 0
    for size, at in sorted(flows, key=lambda flow: flow[1]):
        free = max(free, at) + size
    assert abs(max(landed.values()) - free) <= len(flows)
