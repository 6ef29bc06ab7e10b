"""Are the statistics of a trace what arithmetic and its publishers say?"""

import pytest
from shared import shared
from trace_samples import client, jsonl

from kvsim.errors import InputError
from kvsim.traces import Request, formats, open_trace
from kvsim.traces.inspect import statistics
from kvsim.traces.lines import Lines, lines_of
from kvsim.traces.reader import Turn
from kvsim.traces.readers.servegen import clients
from kvsim.traces.runs import run_length
from kvsim.traces.trace import recorded
from kvsim.units import SECOND


def asked(at: float, *ids: int, **more: object) -> Turn:
    size = 16 if ids else 0
    request = Request(0, int(at * SECOND), 16 * len(ids), 4, run_length(ids), size)
    return Turn(request._replace(**more))


def test_rates_and_gaps():
    found = statistics(asked(at) for at in (0, 1, 2, 13, 24))
    assert found["requests"] == 5
    assert found["span_s"] == 24
    assert found["requests_per_s"] == pytest.approx(5 / 24)
    # gaps 1, 1, 11, 11: mean 6, standard deviation 5
    assert found["cv"] == pytest.approx(5 / 6)
    # two whole windows with 3 and 1; the third is not whole
    assert found["peak"] == pytest.approx(3 / 2)


def test_a_last_window_that_is_nearly_whole_counts():
    found = statistics(asked(at) for at in (0, 1, 2, 13, 29.5))
    assert found["peak"] == pytest.approx(3 / (5 / 3))


@pytest.mark.parametrize(("count", "span"), [(0, None), (1, 0.0), (3, 0.0)])
def test_requests_at_one_instant_have_no_rate(count, span):
    found = statistics([asked(7)] * count)
    assert found["requests"] == count
    assert [found[key] for key in ("span_s", "requests_per_s", "cv", "peak")] == [
        span, None, None, None]  # fmt: skip


def test_percentiles_are_values_that_occur():
    turns = [asked(at, prompt_tokens=at) for at in range(200)]
    found = statistics(turns)["input_tokens"]
    assert found == {"mean": 99.5, "p50": 100, "p90": 180, "p99": 198, "max": 199}
    assert statistics([])["input_tokens"] is None


def test_blocks_and_when_they_are_asked_for_again():
    turns = [asked(0, 1, 2, 3), asked(4, 1, 2, 9), asked(10, 1, 7, 9), asked(11, 30_000)]
    found = statistics(turns)["blocks"]
    # again: 1 after 4, 2 after 4, 1 after 6, 9 after 6
    assert found == {
        "block_tokens": [16], "asked": 10, "unique": 6, "used_once": pytest.approx(3 / 6),
        "reuse_s": {"p50": 6, "p90": 6, "p99": 6}}  # fmt: skip


def test_blocks_that_are_not_numbered_from_0_are_refused():
    with pytest.raises(InputError, match="number blocks from 0 on"):
        statistics([asked(0, 1 << 60)])


def test_sessions_clients_and_pauses():
    turns = [asked(at, session=at % 3, turn=at // 3, client="ab"[at % 2]) for at in range(7)]
    turns = [turn._replace(think=turn.request.arrival, service=SECOND) for turn in turns]
    found = statistics(turns)
    assert found["sessions"] == {"count": 3, "turns": {"p50": 2, "p90": 3, "max": 3}}
    assert found["clients"] == {"count": 2, "requests": {"p50": 4, "p90": 4, "max": 4}}
    assert found["think_s"] == {"p50": 5, "p90": 6}  # of turns 3 to 6: a first turn has no pause
    assert found["service_s"] == {"p50": 1, "p90": 1}
    assert found["chains"] is None


def test_chains_are_prompts_that_begin_with_all_full_blocks_of_another():
    turns = [
        asked(0, 0, 1, 2),
        asked(1, 0, 5),  # block 0 heads every prompt and says nothing
        asked(5, 0, 1, 2, 3),
        asked(9, 0, 1, 2, 3, 4),
        asked(10, 0, 1, 8),  # not all of the first
    ]
    chains = statistics(turns)["chains"]
    assert chains == {"extending": 2 / 5, "gap_s": {"p50": 5, "p90": 5}, "longest": 3}


# The tables of the traces' README. Columns: requests, span, rate, CV, peak, input, output.

LOADS = [
    ("mooncake_conversation.jsonl", 12031, 3537, 3.40, 3.03, 1.97),
    ("azure2023_code.csv", 8819, 3436, 2.57, 13.15, 12.79),
    ("azure2023_conv.csv", 19366, 3502, 5.53, 1.09, 1.77),
    ("agentic_cc_sessions.jsonl", 26105, None, None, None, None),
    ("agentic_cc_stream120_blk512.jsonl", 5748, 7200, 0.80, 1.17, 3.26),
    ("agent_miniswe_blk16.jsonl", 402, 552, 0.73, 0.67, 2.07),
    ("lengths_sharegpt_8k.csv", 30731, None, None, None, None),
    ("lengths_arxiv_summarization.csv", 28257, None, None, None, None),
]
# mean, p50, p90, p99, max of input and output
LENGTHS = {
    "mooncake_conversation.jsonl": ("12035/6909/27367/85401/126195", "343/350/597/1120/2000"),
    "azure2023_code.csv": ("2048/1469/5194/7436/7437", "28/13/55/252/1899"),
    "azure2023_conv.csv": ("1155/1020/2735/4142/14050", "211/129/424/601/1000"),
    "agentic_cc_sessions.jsonl": ("122426/103518/231658/498094/868539", "447/217/900/3743/18195"),
    "agentic_cc_stream120_blk512.jsonl": (
        "105848/89509/169150/525663/819909", "400/204/788/3369/15390"),
    "agent_miniswe_blk16.jsonl": ("6169/3902/12331/39464/46594", "110/95/177/291/348"),
    "lengths_sharegpt_8k.csv": ("2340/1730/5696/7434/8141", "439/415/834/998/1024"),
    "lengths_arxiv_summarization.csv": ("2588/2730/3702/3934/4054", "291/167/372/3273/4056"),
}  # fmt: skip
# block, asked, unique, used once in percent, reuse p50, p90, p99
BLOCKS = {
    "mooncake_conversation.jsonl": (512, 288_500, 182_790, 75.9, (114, 519, 1578)),
    "agentic_cc_stream120_blk512.jsonl": (512, 1_190_450, 55_172, 15.2, (19, 115, 844)),
    "agent_miniswe_blk16.jsonl": (16, 155_193, 10_382, 8.7, (1.1, 1.7, 2.5)),
}


def published(name: str) -> dict:
    path = shared(f"traces/{name}.gz")
    [reader] = [r for r in formats().values() if r.detects(next(iter(lines_of(path))))]
    return statistics(recorded(path), reader.times)


@pytest.mark.parametrize("row", LOADS, ids=lambda row: row[0])
def test_published_tables_are_reproduced(row):
    name, requests, span, rate, cv, peak = row
    found = published(name)
    assert found["requests"] == requests
    for key, value, digits in (("span_s", span, 0), ("requests_per_s", rate, 2), ("cv", cv, 2),
                               ("peak", peak, 2)):  # fmt: skip
        assert (found[key] if value is None else round(found[key], digits)) == value
    for key, text in zip(("input_tokens", "output_tokens"), LENGTHS[name], strict=True):
        assert "/".join(f"{value:.0f}" for value in found[key].values()) == text
    if name in BLOCKS:
        size, asked_for, unique, once, reuse = BLOCKS[name]
        blocks = found["blocks"]
        assert blocks["block_tokens"] == [size]
        assert (blocks["asked"], blocks["unique"]) == (asked_for, unique)
        # 75.85 % is given as 75.9
        assert 100 * blocks["used_once"] == pytest.approx(once, abs=0.051)
        assert tuple(blocks["reuse_s"].values()) == pytest.approx(reuse, abs=0.06)


def test_published_chains_of_mooncake():
    chains = published("mooncake_conversation.jsonl")["chains"]
    assert round(chains["extending"], 2) == 0.33
    assert chains["longest"] == 43
    tick = 3.01  # gaps are whole ticks of 3 s; the README's are one tick shorter
    assert chains["gap_s"] == {
        "p50": pytest.approx(123, abs=tick), "p90": pytest.approx(477, abs=tick)}  # fmt: skip


def test_published_sessions_of_claude_code():
    found = published("agentic_cc_sessions.jsonl")
    assert found["clients"] == {"count": 355, "requests": {"p50": 52, "p90": 163, "max": 514}}
    assert found["sessions"]["count"] == 355 + 40  # subagents
    assert {key: round(value) for key, value in found["think_s"].items()} == {"p50": 10, "p90": 149}
    assert {key: round(value, 1) for key, value in found["service_s"].items()} == {
        "p50": 6.1, "p90": 18.6}  # fmt: skip


def test_published_sessions_of_streams():
    assert published("agentic_cc_stream120_blk512.jsonl")["clients"]["requests"]["p50"] == 37
    sessions = published("agent_miniswe_blk16.jsonl")["sessions"]
    assert (sessions["count"], sessions["turns"]["p50"]) == (20, 30)


@pytest.mark.parametrize(
    ("name", "sources", "requests", "low", "high", "cv", "prompt", "output"),
    [("deepseek-r1", 73, 1_383_669, 4.3, 42.5, 2.28, 1268, 1527),
     ("mm-image", 35, 818_610, 4.9, 13.3, 2.21, None, 130)],
)  # fmt: skip
def test_published_servegen_clients(name, sources, requests, low, high, cv, prompt, output):
    found = list(clients(lines_of(shared(f"traces/servegen_{name}.jsonl.gz"))))
    windows = [window for client in found for window in client.windows]
    a_day = sum(window.rate * window.width for window in windows)
    by_start: dict[int, float] = {}
    for window in windows:
        by_start[window.start] = by_start.get(window.start, 0.0) + window.rate
    assert len(found) == sources
    assert round(a_day) == requests
    assert (round(min(by_start.values()), 1), round(max(by_start.values()), 1)) == (low, high)
    weighted = sum(w.rate * w.cv for w in windows) / sum(w.rate for w in windows)
    assert weighted == pytest.approx(cv, abs=0.01)
    for field, mean in (("input_tokens", prompt), ("output_tokens", output)):
        if mean is not None:
            tokens = sum(
                window.rate * window.width * client.lengths_at(window.start)[field].mean()
                for client in found
                for window in client.windows
                if window.rate
            )
            assert tokens / a_day == pytest.approx(mean, rel=0.005)


def test_a_drawn_hour_of_servegen_has_the_rate_and_lengths_of_its_clients():
    path = shared("traces/servegen_deepseek-r1.jsonl.gz")
    workload = open_trace(path, begin=0, end=3600 * SECOND)
    found = statistics(map(Turn, workload.arrivals()))
    expected = sum(
        window.rate * window.width
        for client in clients(lines_of(path))
        for window in client.windows
        if window.start < 3600
    )
    assert found["requests"] == pytest.approx(expected, abs=73 * 6)  # a window is rounded by one
    assert found["span_s"] == pytest.approx(3600, abs=5)


def test_densities_are_drawn_with_their_weights():
    text = jsonl(client(0, [0, 100.0, 1.0, "", 0.0, 0.0]))
    rows = list(formats()["servegen"].rows(Lines([text])))
    long = sum(row.output_tokens == 20 for row in rows) / len(rows)
    assert len(rows) == 60_000
    assert long == pytest.approx(0.5, abs=4 * (0.25 / 60_000) ** 0.5)  # four standard errors
