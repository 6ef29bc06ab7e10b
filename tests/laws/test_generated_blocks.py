"""Does every block id name one prefix, whatever a workload's fields and whoever finishes first?"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kvsim.traces.generators import workload
from kvsim.traces.request import Request, Workload

LENGTHS = st.one_of(
    st.integers(1, 90),
    st.fixed_dictionaries({"uniform": st.just([1, 90])}),
    st.builds(lambda mean: {"exponential": {"mean": mean}, "max": 300}, st.integers(1, 100)),
)
RATE = {"rate": "1/s", "process": "uniform"}
SHARED = st.fixed_dictionaries(
    {"input_tokens": LENGTHS, "output_tokens": LENGTHS, "requests": st.integers(1, 60)},
    optional={"block_tokens": st.sampled_from([1, 4, 16, 64]), "max_context": st.just(600)},
)
PREFIX = st.fixed_dictionaries(
    {"tokens": LENGTHS, "groups": st.integers(1, 4), "skew": st.floats(0, 2)}
)
TOOLS = st.fixed_dictionaries(
    {"duration": st.just("1 s"), "returned": LENGTHS, "calls": st.integers(0, 3)}
)
SESSIONS = st.fixed_dictionaries(
    {"turns": LENGTHS, "think_time": st.just({"exponential": {"mean": "5 s"}})},
    optional={
        "system_tokens": LENGTHS,
        "systems": st.integers(1, 4),
        "first_input_tokens": LENGTHS,
        "tools": TOOLS,
    },
)


def served(work: Workload, data: st.DataObject) -> list[Request]:
    """All requests, finished in an order that Hypothesis chooses."""
    sent, running, now = [], list(work.arrivals()), 0
    while running:
        request = running.pop(data.draw(st.integers(0, len(running) - 1)))
        sent.append(request)
        now = max(now, request.arrival) + 1
        following = work.next_turn(request, now)
        if following is not None:
            assert following.arrival >= now
            running.append(following)
    return sent


def hold_block_laws(sent: list[Request], asked: dict[str, Any]) -> None:
    before: dict[int, int | None] = {}
    owners: dict[int, object] = {}
    assert len({request.id for request in sent}) == len(sent) == asked["requests"]
    for request in sent:
        runs = request.blocks
        assert not any(runs[i] + runs[i + 1] == runs[i + 2] for i in range(0, len(runs) - 2, 2))
        ids: list[int] = []
        for first, blocks in zip(runs[::2], runs[1::2], strict=True):
            assert blocks > 0
            ids.extend(range(first, first + blocks))
        assert len(set(ids)) == len(ids)
        for previous, id in zip([None, *ids], ids, strict=False):
            assert before.setdefault(id, previous) == previous
        if ids:
            assert len(ids) * request.block_tokens >= request.prompt_tokens
            # the last run is nobody else's: a session's own, or this request's
            owner = (request.session,) if request.session is not None else request.id
            assert owners.setdefault(ids[-1], owner) == owner
        end = request.prompt_tokens + request.output_tokens
        end += sum(pause.returned for pause in request.pauses)
        assert end <= asked.get("max_context", end)


@settings(max_examples=60, deadline=None)
@given(SHARED, SESSIONS, st.integers(0, 5), st.data())
def test_sessions(
    shared: dict[str, Any], own: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    fields = {**RATE, **shared, **own}
    hold_block_laws(served(workload("sessions", fields, seed), data), fields)


@settings(max_examples=40, deadline=None)
@given(SHARED, PREFIX, st.integers(0, 5), st.data())
def test_open_and_closed_loops(
    shared: dict[str, Any], prefix: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    for kind, how in (("open_loop", RATE), ("closed_loop", {"concurrency": 5})):
        fields = {**how, **shared, "prefix": prefix}
        hold_block_laws(served(workload(kind, fields, seed), data), fields)
