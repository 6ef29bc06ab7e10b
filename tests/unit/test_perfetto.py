"""Is a run's trace one that ui.perfetto.dev can show, by the rules of the trace event format?"""

import json
from collections import defaultdict

import pytest

from kvsim.report.perfetto import LINKS, REPLICAS, REQUESTS, write_perfetto
from kvsim.scenario import load
from kvsim.scenario.folder import write
from kvsim.scenario.run import run

NEEDED = {
    "X": {"name", "pid", "tid", "ts", "dur"},
    "C": {"name", "pid", "ts", "args"},
    "M": {"name", "pid", "args"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
}
"""Fields that each phase must have."""
RUNS = {
    "tiers": ("dram-ssd", ["workload.sessions.sessions=8", "cluster.tiers.dram.capacity=16GiB"]),
    "disaggregated": ("disaggregated", ["workload.open_loop.requests=40"]),
    "cut short": ("azure", ["measure.to=60 s"]),
}


@pytest.fixture(scope="module", params=RUNS)
def made(request, tmp_path_factory):
    """A run and the events of its trace."""
    name, changes = RUNS[request.param]
    result = run(load(name, changes))
    folder = write(result, tmp_path_factory.mktemp("perfetto") / "run", write_perfetto)
    document = json.loads((folder / "trace.perfetto.json").read_text(encoding="utf-8"))
    assert set(document) == {"traceEvents", "displayTimeUnit"}
    return result, document["traceEvents"]


def ns(microseconds):
    return round(microseconds * 1000)


def test_every_event_has_the_fields_of_its_phase(made):
    _, events = made
    for event in events:
        assert NEEDED[event["ph"]] <= set(event), event
        assert isinstance(event["pid"], int)
        if event["ph"] != "M":
            assert event["ts"] >= 0


def test_time_goes_on_on_every_track(made):
    last = defaultdict(float)
    for event in made[1]:
        if event["ph"] != "M":
            track = event["pid"], event["tid"], event["ph"], event["name"] * (event["ph"] == "C")
            assert event["ts"] >= last[track]
            last[track] = event["ts"]


def slices(events):
    """(Start, end, event) in ns by track, in order."""
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = ns(event["ts"])
            tracks[event["pid"], event["tid"]].append((start, start + ns(event["dur"]), event))
    return tracks


def test_slices_of_a_track_lie_beside_or_within_each_other(made):
    for track in slices(made[1]).values():
        open_ones = []
        for start, end, _ in track:
            while open_ones and open_ones[-1] <= start:
                open_ones.pop()
            assert start < end
            assert not open_ones or end <= open_ones[-1]
            open_ones.append(end)


def test_flows_go_in_pairs_from_slice_to_slice(made):
    _, events = made
    tracks, ends = slices(events), defaultdict(dict)
    for event in events:
        if event["ph"] in "sf":
            assert event["ph"] not in ends[event["id"]]
            ends[event["id"]][event["ph"]] = event
            at = ns(event["ts"])
            track = tracks[event["pid"], event["tid"]]
            assert any(start <= at < end for start, end, _ in track), event
    assert ends
    for pair in ends.values():
        assert set(pair) == {"s", "f"}
        assert pair["s"]["ts"] <= pair["f"]["ts"]
        assert pair["s"]["name"] == pair["f"]["name"]


def test_counters_are_numbers(made):
    counters = [event for event in made[1] if event["ph"] == "C"]
    assert counters
    for event in counters:
        assert event["args"]
        assert all(isinstance(value, int | float) for value in event["args"].values())


def test_the_trace_tells_all_that_happened(made):
    result, events = made
    facts, named = result.facts, {event["name"] for event in events}
    shown = [event for event in events if event["ph"] == "X"]
    assert sum(event["pid"] == REPLICAS for event in shown) == len(facts.spans["start"])
    busy = sum(ns(e["dur"]) for e in shown if e["pid"] == REPLICAS)
    assert busy == int((facts.spans["end"] - facts.spans["start"]).sum())
    decode = [e for e in shown if e["pid"] == REQUESTS and e["name"] == "decode"]
    assert len(decode) >= int(((facts.status == "finished") & (
        facts.requests["output_tokens"] > 1)).sum())  # fmt: skip
    moved = sum(e["args"]["bytes"] for e in shown if e["pid"] == LINKS)
    if len(facts.handoffs["bytes"]):
        assert "on the wire" in named
        hops = [len(facts.wires[path]) for path in facts.handoffs["path"].tolist()]
        landed = (facts.handoffs["landed"] > facts.handoffs["began"]).tolist()
        sizes = facts.handoffs["bytes"].tolist()
        assert moved == sum(s * h for s, h, yes in zip(sizes, hops, landed, strict=True) if yes)
    elif len(facts.transfers["bytes"]):
        assert moved > 0
        assert "KV bytes in DRAM" in named
