"""Does a trace replay its requests when, in what number and in what order it should?"""

import heapq
from itertools import count, islice

import pytest
from shared import shared
from trace_samples import SAMPLES, bailian, call, client, jsonl, mooncake, session, written

import kvsim.traces
from kvsim.errors import InputError
from kvsim.traces import Request, Workload, formats, open_trace
from kvsim.traces.clock import tick_of
from kvsim.traces.lines import Lines
from kvsim.traces.runs import block_ids
from kvsim.traces.sessions import Sessions
from kvsim.units import MS, SECOND


def file(folder, *rows):
    return written(folder, jsonl(*rows))


def plain(*instants_ms):
    return [mooncake(at, 100 + place, 5, [place]) for place, at in enumerate(instants_ms)]


def served(workload: Workload, service: int) -> list[Request]:
    """All requests by arrival, each answered after `service`."""
    known = workload.arrivals()
    expected = [(request.arrival, request.id, request) for request in islice(known, 1)]
    done = []
    while expected:
        at, _, request = heapq.heappop(expected)
        done.append(request)
        following = workload.next_turn(request, at + service)
        for more in (following, next(known, None)):
            if more is not None:
                heapq.heappush(expected, (more.arrival, more.id, more))
    return done


def test_arrivals_start_at_0_and_ids_count(tmp_path):
    workload = open_trace(file(tmp_path, *plain(5000, 5250, 9000)))
    requests = list(workload.arrivals())
    assert [r.arrival for r in requests] == [0, 250 * MS, 4 * SECOND]
    assert [r.id for r in requests] == [0, 1, 2]
    assert workload.total == 3
    assert list(workload.arrivals()) == requests  # a fresh iterator each call
    assert workload.next_turn(requests[0], SECOND) is None


def test_rate_scale_compresses_time(tmp_path):
    workload = open_trace(file(tmp_path, *plain(1000, 2000, 4000)), rate_scale=4.0)
    assert [r.arrival for r in workload.arrivals()] == [0, SECOND // 4, 3 * SECOND // 4]


def test_a_window_and_a_limit(tmp_path):
    path = file(tmp_path, *plain(1000, 2000, 3000, 4000, 5000))
    workload = open_trace(path, begin=SECOND, end=4 * SECOND)
    assert [r.prompt_tokens for r in workload.arrivals()] == [101, 102, 103]
    assert [r.arrival for r in workload.arrivals()] == [0, SECOND, 2 * SECOND]
    assert workload.total is None
    assert list(open_trace(path, begin="1 s", end="4 s").arrivals()) == list(workload.arrivals())
    workload = open_trace(path, begin=SECOND, limit=2)
    assert [r.prompt_tokens for r in workload.arrivals()] == [101, 102]
    assert open_trace(path, limit=2).total == 2
    with pytest.raises(InputError, match="no requests between begin and end"):
        list(open_trace(path, begin=9 * SECOND).arrivals())


def test_too_long_requests_are_dropped_and_counted(tmp_path):
    path = file(tmp_path, mooncake(0, 600, 5, [1, 2]), mooncake(1, 90, 10, [3]))
    workload = open_trace(path, max_context=100)
    assert [(r.id, r.prompt_tokens, r.arrival) for r in workload.arrivals()] == [(0, 90, MS)]
    assert workload.dropped == 1


def test_too_long_requests_are_cut_at_the_end_of_the_prompt(tmp_path):
    path = file(tmp_path, mooncake(0, 2000, 30, [1, 2, 3, 4]), mooncake(1, 90, 2000, [3]))
    workload = open_trace(path, max_context=1000, overflow="cut")
    shown = [(r.prompt_tokens, r.output_tokens, block_ids(r.blocks)) for r in workload.arrivals()]
    assert shown == [(970, 30, [1, 2]), (1, 999, [3])]
    assert workload.dropped == 0


def test_a_request_has_at_least_a_token_each_way(tmp_path):
    [request] = open_trace(file(tmp_path, mooncake(0, 0, 0, []))).arrivals()
    assert (request.prompt_tokens, request.output_tokens, request.blocks) == (1, 1, ())


# A slow clock


def test_arrivals_of_one_tick_are_spread_over_it_in_their_order(tmp_path):
    path = file(tmp_path, *plain(0, 0, 0, 3000, 3000, 6000, 12000, 12000))
    spread = [r.arrival for r in open_trace(path).arrivals()]
    assert spread == [SECOND * at // 2 for at in (0, 2, 4, 6, 9, 12, 24, 27)]
    assert [r.prompt_tokens for r in open_trace(path).arrivals()] == [*range(100, 108)]
    raw = [r.arrival for r in open_trace(path, spread=False).arrivals()]
    assert raw == [SECOND * at for at in (0, 0, 0, 3, 3, 6, 12, 12)]


def test_a_tick_ends_early_where_the_next_begins_early(tmp_path):
    path = file(tmp_path, *plain(0, 3000, 3000, 5997, 5997, 9000))
    arrivals = [r.arrival for r in open_trace(path).arrivals()]
    assert arrivals == [0, 3 * SECOND, 4498500 * 1000, 5997 * MS, 7495500 * 1000, 9 * SECOND]


@pytest.mark.parametrize(
    ("instants", "tick"),
    [([0, 0, 3000, 9000], 3000), ([0, 3000, 9000], 0), ([5, 5, 5], 0), ([0, 0, 1000, 2500], 0),
     ([0, 2999, 2999, 6000, 12001], 2999), ([], 0)],
)  # fmt: skip
def test_a_clock_ticks_if_instants_are_shared_and_gaps_are_whole_ticks(instants, tick):
    assert tick_of(instants) == tick


def test_burstgpt_is_spread_over_its_seconds(tmp_path):
    head, row = SAMPLES["burstgpt"].splitlines()
    text = "\n".join([head, row, row.replace("5,", "7,", 1), row.replace("5,", "7,", 1), ""])
    arrivals = [r.arrival for r in open_trace(written(tmp_path, text)).arrivals()]
    assert arrivals == [0, 2 * SECOND, 2.5 * SECOND]


# Sessions


CHATS = (
    bailian(1, -1, 10.0, 32, [1, 2]),
    bailian(2, -1, 11.0, 16, [9]),
    bailian(3, 1, 20.0, 64, [1, 2, 3, 4], turn=2),  # 10 s after chat 1
    bailian(4, 3, 50.0, 96, [1, 2, 3, 4, 5, 6], turn=3),  # 30 s after
)


def test_the_next_turn_comes_a_pause_after_the_end_of_the_one_before(tmp_path):
    workload = open_trace(file(tmp_path, *CHATS), replay="sessions")
    done = served(workload, 2 * SECOND)
    assert [(r.session, r.turn, r.arrival) for r in done] == [
        (0, 0, 0), (1, 0, SECOND), (0, 1, 12 * SECOND), (0, 2, 44 * SECOND)]  # fmt: skip
    assert [r.id for r in done] == [0, 1, 2, 3]
    assert workload.total == 4
    assert served(workload, 2 * SECOND) == done


def test_generated_tokens_are_called_what_the_next_turn_calls_them(tmp_path):
    done = served(open_trace(file(tmp_path, *CHATS), replay="sessions"), 0)
    labels = {(r.session, r.turn): block_ids(r.blocks) for r in done}
    # 32 + 5 tokens are 3 blocks of 16; 64 + 5 are 5; a last turn has its prompt only
    assert labels == {(0, 0): [1, 2, 3], (0, 1): [1, 2, 3, 4, 5], (0, 2): [1, 2, 3, 4, 5, 6],
                      (1, 0): [9]}  # fmt: skip


def test_people_do_not_think_faster_when_more_of_them_come(tmp_path):
    done = served(open_trace(file(tmp_path, *CHATS), replay="sessions", rate_scale=2.0), SECOND)
    assert [(r.session, r.arrival) for r in done] == [
        (0, 0), (1, SECOND // 2), (0, 11 * SECOND), (0, 42 * SECOND)]  # fmt: skip


def test_a_dropped_turn_does_not_end_its_session(tmp_path):
    rows = (*CHATS[:2], CHATS[2] | {"output_length": 900}, CHATS[3])
    workload = open_trace(file(tmp_path, *rows), replay="sessions", max_context=200)
    done = served(workload, 0)
    assert [(r.session, r.turn, r.arrival) for r in done] == [
        (0, 0, 0), (1, 0, SECOND), (0, 2, 30 * SECOND)]  # fmt: skip
    assert workload.dropped == 1


def agents(folder):
    sub = {"t": 4, "type": "subagent", "requests": [call(1, 70, [[1, 1]]), call(3, 70, [[1, 1]])]}
    return file(
        folder,
        session("a", call(0, 64, [[1, 1]], api_time=3.0, think_time=0.0), sub,
                call(10, 130, [[1, 2]], think_time=7.0),  # 3 s of service, 7 s of pause
                call(20, 130, [[1, 2]], api_time=2.0, think_time=17.0),  # no service: 10 s apart
                call(30, 130, [[1, 2]])),  # 2 s of service, no pause recorded: 8 s
        session("b", call(0, 64, [[1, 1]]), call(5, 64, [[1, 1]])),
    )  # fmt: skip


def test_the_pause_is_what_the_trace_knows_of_it(tmp_path):
    path = agents(tmp_path)
    workload = open_trace(path, replay="sessions", arrivals=[0, 100 * SECOND])
    done = served(workload, SECOND)
    assert [(r.session, r.turn, r.arrival // SECOND) for r in done] == [
        (0, 0, 0), (1, 0, 5), (1, 1, 8), (0, 1, 8), (0, 2, 19), (0, 3, 28), (2, 0, 100),
        (2, 1, 106)]  # fmt: skip


def test_sessions_start_at_the_instants_given(tmp_path):
    path = agents(tmp_path)
    arrivals = open_trace(path, arrivals=count(0, 10 * SECOND)).arrivals()
    assert [(r.session, r.arrival // SECOND) for r in arrivals] == [
        (0, 0), (1, 5), (1, 7), (0, 10), (2, 10), (2, 15), (0, 20), (0, 30)]  # fmt: skip
    arrivals = open_trace(path, arrivals=[0]).arrivals()
    assert {r.session for r in arrivals} == {0, 1}
    with pytest.raises(InputError, match="does not say when its sessions start"):
        open_trace(path)


def test_lengths_need_instants(tmp_path):
    path = written(tmp_path, SAMPLES["lengths"] + "5,6\n7,8\n")
    workload = open_trace(path, arrivals=iter([3, 9]))
    arrivals = [(r.arrival, r.prompt_tokens) for r in workload.arrivals()]
    assert arrivals == [(0, 3772), (6, 5)]
    assert [(r.arrival, r.prompt_tokens) for r in workload.arrivals()] == arrivals
    with pytest.raises(InputError, match="does not say when its requests arrive"):
        open_trace(path)
    with pytest.raises(InputError, match="arrivals: found 5; write the fields"):
        open_trace(path, arrivals=5)
    with pytest.raises(InputError, match="an instant is an integer, in ns"):
        list(open_trace(path, arrivals=[0, "1 s"]).arrivals())
    with pytest.raises(InputError, match="3 ns comes after 9 ns"):
        list(open_trace(path, arrivals=[9, 3]).arrivals())


def test_sessions_keep_their_own_times_and_are_not_made_up(tmp_path):
    path = file(tmp_path, *plain(0, 1))
    with pytest.raises(InputError, match="takes its times from the trace"):
        open_trace(path, arrivals=[0], replay="sessions")
    with pytest.raises(InputError, match="has no sessions: a mooncake trace"):
        open_trace(path, replay="sessions").arrivals()
    path = file(tmp_path, client(0, [0, 1.0, 1.0, "", 0.0, 0.0]))
    with pytest.raises(InputError, match="has no sessions and its own arrivals"):
        open_trace(path, replay="sessions")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"rate_scale": 0}, "rate_scale is 0"), ({"limit": 0}, "limit is 0"),
     ({"rate_scale": "2"}, "rate_scale is '2'"), ({"limit": 2.5}, "limit is 2.5"),
     ({"begin": 5, "end": 5}, "hold no time"), ({"max_context": 1}, "max_context is 1"),
     ({"begin": "5"}, "begin: '5' has no unit"), ({"end": 2.5}, "end: 2.5 has no unit"),
     ({"spread": "no"}, "spread is 'no'"), ({"format": 5}, "no trace format 5"),
     ({"overflow": "burn"}, "Allowed: drop, cut"),
     ({"replay": "session"}, "Did you mean 'sessions'")],
)  # fmt: skip
def test_what_no_trace_can_satisfy(wrong, words, tmp_path):
    with pytest.raises(InputError, match=words):
        open_trace(file(tmp_path, *plain(0)), **wrong)


# ServeGen


def test_servegen_is_the_same_for_a_seed_whatever_part_is_taken(tmp_path):
    windows = [[at, 0.5, 1.0, "Gamma", 0.7, 1.0] for at in (0, 600, 1200)]
    path = file(tmp_path, client(0, *windows), client(1, *windows, tokens=5))
    whole = list(open_trace(path).arrivals())
    assert len(whole) == 2 * 3 * 300
    begin, end = 500 * SECOND, 700 * SECOND
    part = list(open_trace(path, begin=begin, end=end).arrivals())
    assert [(r.arrival + begin, *r[2:]) for r in part] == [
        tuple(r[1:]) for r in whole if begin <= r.arrival < end]  # fmt: skip
    assert [r.id for r in part] == [*range(len(part))]
    assert list(open_trace(path, seed=2).arrivals()) != whole
    assert len(list(open_trace(path, limit=7).arrivals())) == 7


def test_servegen_rate_scale_leaves_the_day_its_length(tmp_path):
    path = file(tmp_path, client(0, [0, 0.5, 1.0, "", 0.0, 0.0]))
    requests = list(open_trace(path, rate_scale=3.0).arrivals())
    assert len(requests) == 900
    assert 500 * SECOND < requests[-1].arrival <= 600 * SECOND


def test_servegen_drops_what_is_too_long(tmp_path):
    path = file(tmp_path, client(0, [0, 0.5, 1.0, "", 0.0, 0.0]))  # 100 + 10 or 100 + 20 tokens
    workload = open_trace(path, max_context=110)
    requests = list(workload.arrivals())
    assert {r.output_tokens for r in requests} == {10}
    assert len(requests) + workload.dropped == 300


# The whole


def test_a_replay_of_sessions_reads_on_only_as_far_as_it_has_to():
    rows = [bailian(at, at - 2 if at >= 2 else -1, at, 16, [at]) for at in range(100)]
    lines = Lines(jsonl(*rows).splitlines(keepends=True))  # two sessions, turn about
    sessions = Sessions(formats()["bailian"].turns(lines), {0: 50, 1: 50}, 2, 1.0)
    first = next(sessions.starts())
    assert lines.number == 3  # itself, the other session, and its own next turn
    second = sessions.following(first, SECOND)
    assert lines.number == 5
    assert second is not None
    assert block_ids(second.blocks) == [2]


def test_the_package_offers_what_it_says():
    assert sorted(kvsim.traces.__all__) == kvsim.traces.__all__
    for name in kvsim.traces.__all__:
        assert getattr(kvsim.traces, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'open_tace'"):
        _ = kvsim.traces.open_tace


def test_mooncake_as_published_is_spread_within_its_ticks():
    path = shared("traces/mooncake_conversation.jsonl.gz")
    workload = open_trace(path)
    spread = [r.arrival for r in workload.arrivals()]
    raw = [r.arrival for r in open_trace(path, spread=False).arrivals()]
    assert workload.total == len(spread) == 12031
    assert spread == sorted(spread)
    assert all(0 <= a - b < 3 * SECOND for a, b in zip(spread, raw, strict=True))
    assert len(set(raw)) == 1180
    assert len(set(spread)) == 12031
