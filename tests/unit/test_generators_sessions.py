"""Does a session say again what was said before, and nothing else?"""

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import pairwise
from math import sqrt
from typing import Any

import pytest
from machine import Machine

from kvsim.errors import InputError
from kvsim.traces.generators import workload
from kvsim.traces.request import Pause, Request, Workload
from kvsim.units import SECOND

TALK = {
    "rate": "1/s",
    "process": "uniform",
    "turns": 3,
    "think_time": "10 s",
    "input_tokens": 20,
    "output_tokens": 30,
}
TOOL = {"duration": "1 s", "returned": 50}
VARIED = {
    "rate": "1/s",
    "turns": {"geometric": {"mean": 4}},
    "think_time": {"lognormal": {"median": "10 s", "cv": 1.5}},
    "input_tokens": {"lognormal": {"median": 50, "cv": 1.0}},
    "output_tokens": {"exponential": {"mean": 80}},
}


def made(*parts: Mapping[str, Any], seed: int = 1, **more: Any) -> Workload:
    fields: dict[str, Any] = {}
    for part in (*parts, more):
        fields |= part
    return workload("sessions", fields, seed)


def served(work: Workload, service: int = SECOND, odd: int = 0) -> list[Request]:
    """All requests by id; each takes `service`, those of odd sessions `odd` longer."""
    ends: list[tuple[int, int, Request]] = []

    def send(request: Request) -> None:
        assert request.session is not None
        end = request.arrival + service + request.session % 2 * odd
        heappush(ends, (end, request.id, request))

    for request in work.arrivals():
        send(request)
    sent = []
    while ends:
        at, _, request = heappop(ends)
        sent.append(request)
        following = work.next_turn(request, at)
        if following is not None:
            send(following)
    return sorted(sent, key=lambda one: one.id)


def conversations(sent: list[Request]) -> list[list[Request]]:
    by_session: dict[int | None, list[Request]] = {}
    for request in sent:
        by_session.setdefault(request.session, []).append(request)
    return list(by_session.values())


def test_a_session_by_hand() -> None:
    work = made(TALK, sessions=1, system_tokens=40)
    first, second, third = served(work)
    # the system prompt's 40 tokens: two whole blocks are shared, ids 0 and 1. The session's own
    # ids begin with 3, so that the two runs do not touch
    assert first == Request(0, SECOND, 60, 30, (0, 2, 3, 4), 16, session=0, turn=0)
    # 60 + 30 + 20; 140 tokens in all take 9 blocks. A second of service, ten of thought
    assert second == Request(1, 12 * SECOND, 110, 30, (0, 2, 3, 7), 16, session=0, turn=1)
    assert third == Request(2, 23 * SECOND, 160, 30, (0, 2, 3, 10), 16, session=0, turn=2)
    assert work.total == 3


def test_ids_of_sessions_do_not_overlap() -> None:
    sent = served(made(TALK, sessions=3, system_tokens=40, turns=2))
    # 140 tokens at the end: 9 blocks, 2 of them the system prompt's
    assert [one.blocks[2] for one in sent] == [3, 3, 10, 10, 17, 17]
    assert [one.id for one in sent] == list(range(6))
    assert [one.session for one in sent] == [0, 0, 1, 1, 2, 2]


def test_without_a_system_prompt_there_is_one_run() -> None:
    assert served(made(TALK, sessions=1))[0].blocks == (1, 4)
    assert served(made(TALK, sessions=1, block_tokens=64))[2].blocks == (1, 3)
    assert served(made(TALK, sessions=1, system_tokens=15))[0].blocks == (1, 5)


def test_prompts_grow_by_exactly_what_was_said() -> None:
    tools = {
        "duration": "1 s",
        "returned": {"uniform": [0, 90]},
        "calls": {"geometric": {"mean": 2}},
    }
    talks = conversations(served(made(VARIED, sessions=300, tools=tools, system_tokens=100)))
    assert len(talks) == 300
    news = []
    for talk in talks:
        assert [one.turn for one in talk] == list(range(len(talk)))
        for before, after in pairwise(talk):
            returned = sum(pause.returned for pause in before.pauses)
            history = before.prompt_tokens + before.output_tokens + returned
            news.append(after.prompt_tokens - history)
            *head, first, blocks = after.blocks
            assert (*head, first) == before.blocks[:-1]
            assert blocks >= before.blocks[-1]
        for one in talk:
            end = one.prompt_tokens + one.output_tokens + sum(p.returned for p in one.pauses)
            assert sum(one.blocks[1::2]) == -(end // -16)
    assert min(news) >= 1
    # the mean of a lognormal law is its median times sqrt(1 + cv²)
    assert sum(news) / len(news) == pytest.approx(50 * sqrt(2), abs=5 * 70 / sqrt(len(news)))


def test_turns_and_thoughts_follow_their_laws() -> None:
    work = made(VARIED, sessions=4000, think_time={"exponential": {"mean": "10 s"}})
    talks = conversations(served(work))
    turns = [len(talk) for talk in talks]
    assert sum(turns) / 4000 == pytest.approx(4, abs=5 * sqrt(12 / 4000))  # variance (1-p)/p²
    thoughts = [
        after.arrival - before.arrival - SECOND
        for talk in talks
        for before, after in pairwise(talk)
    ]
    mean = sum(thoughts) / len(thoughts) / SECOND
    assert mean == pytest.approx(10, abs=5 * 10 / sqrt(len(thoughts)))


def test_the_order_of_finishing_changes_instants_only() -> None:
    tools = {"duration": "1 s", "returned": 40, "probability": 0.5}
    work = made(VARIED, sessions=600, tools=tools, systems=3, system_tokens={"uniform": [10, 99]})
    plain, late = served(work), served(work, odd=500 * SECOND)
    assert plain != late
    assert [one._replace(arrival=0) for one in plain] == [one._replace(arrival=0) for one in late]
    assert served(work) == plain


def test_a_next_turn_depends_on_its_arguments_only() -> None:
    work, other = made(VARIED, sessions=99), made(VARIED, sessions=99)
    sent = list(work.arrivals())
    assert [work.next_turn(one, 7) for one in sent] == [other.next_turn(one, 7) for one in sent]


def test_other_turns_leave_first_prompts_and_instants_alone() -> None:
    short, long = made(VARIED, sessions=50, turns=1), made(VARIED, sessions=50, turns=9)
    both = zip(short.arrivals(), long.arrivals(), strict=True)
    assert all(one.arrival == other.arrival for one, other in both)


def test_systems_are_different_and_equally_likely() -> None:
    work = made(TALK, sessions=9000, turns=1, systems=3, system_tokens=160)
    firsts = [one.blocks[:2] for one in work.arrivals()]
    for system in ((0, 10), (10, 10), (20, 10)):
        assert firsts.count(system) == pytest.approx(3000, abs=5 * sqrt(2000))  # n p (1 - p)


def test_the_first_turn_may_bring_a_document() -> None:
    sent = served(made(TALK, sessions=2, first_input_tokens=5000))
    assert [one.prompt_tokens for one in sent] == [5000, 5050, 5100] * 2


def test_a_session_ends_before_its_context_is_too_long() -> None:
    # a turn adds 50 tokens: the third would end with 150
    assert len(served(made(TALK, sessions=1, max_context=150))) == 3
    assert len(served(made(TALK, sessions=1, max_context=149))) == 2
    assert len(served(made(TALK, sessions=1, max_context=149, system_tokens=10))) == 2
    assert len(served(made(TALK, sessions=1, max_context=149, system_tokens=50))) == 1


def test_a_session_whose_first_turn_is_too_long_does_not_arrive() -> None:
    first = {"choice": [[20, 1], [500, 1]]}
    work = made(TALK, sessions=400, max_context=300, first_input_tokens=first)
    sent = served(work)
    assert len(sent) == 1200
    assert {one.prompt_tokens for one in sent if not one.turn} == {20}
    assert [one.id for one in sent] == list(range(1200))
    assert [one.arrival for one in sent if not one.turn] == [k * SECOND for k in range(1, 401)]


def test_tools_cut_an_answer_into_equal_parts() -> None:
    tools = {"calls": 2, "duration": "3 s", "returned": 100}
    first, second, _ = served(made(TALK, sessions=1, tools=tools))
    assert first.pauses == (Pause(10, 3 * SECOND, 100), Pause(20, 3 * SECOND, 100))
    assert second.prompt_tokens == 20 + 30 + 200 + 20
    assert first.blocks == (1, 16)  # 250 tokens


def test_tools_are_called_with_their_probability_and_room() -> None:
    tools = {"calls": 3, "duration": "3 s", "returned": 1, "probability": 0.25}
    answers = {"choice": [[1, 1], [2, 1], [9, 2]]}
    work = made(TALK, turns=1, sessions=8000, tools=tools, output_tokens=answers)
    sent = list(work.arrivals())
    calling = sum(bool(one.pauses) for one in sent)
    # an answer of one token has no room for a call
    assert calling == pytest.approx(8000 * 0.75 * 0.25, abs=5 * sqrt(1500))
    for one in sent:
        after = [0, *(pause.after for pause in one.pauses), one.output_tokens]
        assert all(low < high for low, high in pairwise(after))


def test_how_many_is_said_in_sessions_requests_or_duration() -> None:
    assert made(TALK, sessions=4).total == 12
    assert made(TALK, requests=10).total == 10
    assert made(TALK, sessions=4, requests=10).total == 10
    assert made(TALK, sessions=4, max_context=500).total is None
    assert made(VARIED, sessions=4).total is None
    assert made(TALK, sessions=4, duration="1 h").total is None
    sent = served(made(TALK, requests=10))
    assert [one.session for one in sent] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert len(served(made(TALK, duration="5 s"))) == 12
    assert len(served(made(VARIED, requests=1000))) == 1000


def test_what_is_over_is_forgotten() -> None:
    work = made(VARIED, requests=500)
    served(work)
    assert not work._live  # type: ignore[attr-defined]


def test_a_machine_finds_the_history_it_has_computed() -> None:
    work = made(TALK, sessions=2, turns=3, rate="0.01/s", system_tokens=40, tools=TOOL)
    outcome = Machine(requests=list(work.arrivals()), follow=work.next_turn).run()
    assert set(outcome.status) == {"finished"}
    # a turn ends with 140, 240 tokens, the last of them sampled but not stored; what is stored is
    # found again in whole blocks of 16: 139 -> 128, 239 -> 224. Sessions share 40 -> 32
    assert outcome["prompt_tokens"] == [60, 160, 260, 60, 160, 260]
    assert outcome["hit_hbm"] == [0, 128, 224, 32, 128, 224]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "sessions: is missing; write how many, or `requests`, or `duration`."),
        ({"sessions": 0}, "sessions: found 0; write a whole number, at least 1."),
        ({"turns": 0}, "turns: found 0; write a whole number, at least 1."),
        ({"turns": {"geometrc": {"mean": 3}}}, "turns.geometrc: there is no such law. Did you"),
        ({"think_time": 5}, "think_time: 5 has no unit"),
        ({"think_tim": "5 s"}, "think_tim: there is no such field. Did you mean 'think_time'?"),
        ({"sessions": 5, "max_context": 20}, "max_context: no first turn fits into 20 tokens."),
        ({"sessions": 5, "process": "weibull", "cv": 0.001}, "cv: found 0.001; 0.01 is the least"),
        ({"tools": {"duration": "1 s"}}, "tools.returned: is missing, and has no default."),
        ({"tools": {**TOOL, "probability": 2}}, "tools.probability: found 2; write a number from"),
        ({"tools": {"durations": 1}}, "tools.durations: there is no such field. Did you mean"),
        ({"system_tokens": -5}, "system_tokens: found -5; write a whole number, at least 0."),
    ],
)
def test_what_cannot_be_is_said_with_its_path(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        made(TALK, fields)
    assert str(caught.value).startswith(f"workload.sessions.{sentence}")
