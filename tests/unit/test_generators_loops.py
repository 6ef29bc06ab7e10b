"""Do open and closed loops send what they should, when they should?"""

import os
import subprocess
import sys
from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from machine import Affine, Machine
from shared import shared

from kvsim.errors import InputError
from kvsim.traces.generators import kinds, workload
from kvsim.traces.request import Request, Workload
from kvsim.units import MS, SECOND

UNIFORM = {"rate": "10/s", "process": "uniform", "input_tokens": 100, "output_tokens": 20}
LOOP = {"concurrency": 4, "input_tokens": 100, "output_tokens": 20, "requests": 10}


def made(kind: str, *parts: Mapping[str, Any], seed: int = 1, **more: Any) -> Workload:
    fields: dict[str, Any] = {}
    for part in (*parts, more):
        fields |= part
    return workload(kind, fields, seed)


def served(work: Workload, service: int = SECOND) -> list[Request]:
    """Every request in order of arrival, on a machine where each takes `service`."""
    sent: list[Request] = []
    ends: list[tuple[int, int, Request]] = []
    for request in work.arrivals():
        heappush(ends, (request.arrival + service, request.id, request))
    while ends:
        at, _, request = heappop(ends)
        sent.append(request)
        following = work.next_turn(request, at)
        if following is not None:
            heappush(ends, (following.arrival + service, following.id, following))
    return sent


def test_an_open_loop_by_hand() -> None:
    work = made("open_loop", UNIFORM, requests=3)
    assert work.total == 3
    assert list(work.arrivals()) == [
        Request(0, 100 * MS, 100, 20),
        Request(1, 200 * MS, 100, 20),
        Request(2, 300 * MS, 100, 20),
    ]
    assert work.next_turn(Request(0, 100 * MS, 100, 20), SECOND) is None


def test_an_open_loop_ends_with_its_duration_its_rate_or_its_requests() -> None:
    assert len(list(made("open_loop", UNIFORM, duration="1 s").arrivals())) == 9
    assert len(list(made("open_loop", UNIFORM, duration="1 s", requests=5).arrivals())) == 5
    assert made("open_loop", UNIFORM, duration="1 s", requests=5).total is None
    rate = [["0 s", "10/s"], ["1.05 s", "0/s"]]
    assert len(list(made("open_loop", UNIFORM, rate=rate).arrivals())) == 10


@pytest.mark.parametrize("kind", ["open_loop", "closed_loop"])
def test_the_same_seed_gives_the_same_requests(kind: str) -> None:
    fields = {
        "input_tokens": {"lognormal": {"median": 100, "cv": 1}},
        "output_tokens": {"exponential": {"mean": 50}},
        "prefix": {"groups": 3, "tokens": {"uniform": [10, 100]}, "skew": 1.0},
        "requests": 300,
        **({"rate": "10/s"} if kind == "open_loop" else {"concurrency": 7, "jitter": "1 s"}),
    }
    work = made(kind, fields)
    assert served(work) == served(work) == served(made(kind, fields))
    assert served(work) != served(made(kind, fields, seed=2))


def test_lengths_do_not_change_with_the_rate() -> None:
    fields = {"input_tokens": {"exponential": {"mean": 50}}, "output_tokens": 5, "requests": 100}
    slow = made("open_loop", fields, rate="1/s").arrivals()
    fast = made("open_loop", fields, rate="9/s", process="gamma", cv=4).arrivals()
    assert [one.prompt_tokens for one in slow] == [one.prompt_tokens for one in fast]


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def pairs(work: Workload) -> list[tuple[int, int]]:
    return [(one.prompt_tokens, one.output_tokens) for one in work.arrivals()]


def test_rows_of_a_file_stay_together(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "num_decode_tokens,num_prefill_tokens\n1,10\n2,20\n3,30\n")
    rows = [(10, 1), (20, 2), (30, 3)]
    fields = {"rate": "1/s", "lengths": {"file": file}}
    assert pairs(made("open_loop", fields)) == rows
    assert made("open_loop", fields).total == 3
    assert pairs(made("open_loop", fields, requests=7)) == [*rows, *rows, rows[0]]
    shuffled = pairs(made("open_loop", fields, requests=300, order="shuffled"))
    assert all(sorted(shuffled[i : i + 3]) == rows for i in range(0, 300, 3))
    assert len({tuple(shuffled[i : i + 3]) for i in range(0, 300, 3)}) == 6  # every order
    assert pairs(made("open_loop", fields, max_context=22)) == [(10, 1), (20, 2)]
    named = {"file": file, "input": "num_decode_tokens", "output": "num_decode_tokens"}
    assert pairs(made("open_loop", fields, lengths=named)) == [(1, 1), (2, 2), (3, 3)]


def test_azure_conversations_cut_to_a_context_of_4096() -> None:
    path = str(shared("traces/azure2023_conv.csv.gz"))
    work = made("open_loop", rate="5/s", lengths=path, max_context=4096)
    kept = pairs(work)
    whole = pairs(made("open_loop", rate="5/s", lengths=path))
    assert len(whole) == 19_366  # the trace's own table of statistics
    assert whole[:2] == [(374, 44), (396, 109)]  # its first rows
    assert kept == [pair for pair in whole if sum(pair) <= 4096]
    assert work.total == len(kept)


def test_drawn_requests_that_are_too_long_do_not_arrive() -> None:
    fields = {**UNIFORM, "input_tokens": {"uniform": [1, 1000]}, "requests": 5000}
    prompts = [one.prompt_tokens for one in made("open_loop", fields, max_context=520).arrivals()]
    assert max(prompts) == 500
    assert len(prompts) == 5000


def test_groups_share_whole_blocks_of_their_prefix() -> None:
    prefix = {"groups": 2, "tokens": 40}
    sent = list(made("open_loop", UNIFORM, prefix=prefix, requests=200).arrivals())
    assert {one.prompt_tokens for one in sent} == {140}
    # 40 tokens: two blocks of 16 are shared. Of the prompt's 9 blocks 7 are each request's own
    assert {one.blocks[:2] for one in sent} == {(0, 2), (2, 2)}
    assert [one.blocks[2:] for one in sent] == [(5 + 7 * one.id, 7) for one in sent]
    assert {one.block_tokens for one in sent} == {16}


def test_a_prefix_shorter_than_a_block_is_not_shared() -> None:
    sent = made("open_loop", UNIFORM, prefix={"tokens": 15}, requests=2).arrivals()
    assert [one.blocks for one in sent] == [(1, 8), (9, 8)]


def test_groups_are_chosen_as_zipf_says() -> None:
    prefix = {"groups": 3, "tokens": 160, "skew": 1.0}
    sent = made("open_loop", UNIFORM, prefix=prefix, requests=60_000).arrivals()
    shares = np.bincount([one.blocks[0] // 10 for one in sent]) / 60_000
    # 1 : 1/2 : 1/3
    assert shares.tolist() == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.01)


def test_a_closed_loop_keeps_its_concurrency() -> None:
    work = made("closed_loop", LOOP)
    assert work.total == 10
    sent = served(work)
    # four at once, each a second: 4, 4 and the last 2
    assert [one.arrival for one in sent] == [0] * 4 + [SECOND] * 4 + [2 * SECOND] * 2
    assert [one.id for one in sent] == list(range(10))
    assert {one.blocks for one in sent} == {()}


def test_a_closed_loop_on_a_machine() -> None:
    work = made("closed_loop", LOOP)
    timing = Affine(base=10 * MS)
    outcome = Machine(requests=list(work.arrivals()), follow=work.next_turn, timing=timing).run()
    # 20 steps of 10 ms each: the prompts are computed in one of them
    assert outcome.ms("arrival") == [0] * 4 + [200] * 4 + [400] * 2
    assert outcome.ms("finish") == [200] * 4 + [400] * 4 + [600] * 2


def test_the_kth_request_is_the_same_whoever_is_finished_first() -> None:
    lengths = {"input_tokens": {"exponential": {"mean": 50}}, "output_tokens": 5}
    one, other = (made("closed_loop", LOOP, lengths) for _ in range(2))
    first, same = list(one.arrivals()), list(other.arrivals())
    assert first == same
    ahead = [one.next_turn(request, 5) for request in first]
    back = [other.next_turn(request, 5) for request in reversed(same)]
    assert ahead == back


def test_a_closed_loop_with_fewer_requests_than_users() -> None:
    assert len(served(made("closed_loop", LOOP, requests=3))) == 3


def test_users_of_a_closed_loop_may_think_and_come_one_by_one() -> None:
    work = made("closed_loop", LOOP, think_time="3 s", jitter="2 s", requests=8)
    sent = served(work)
    starts = [one.arrival for one in sent[:4]]
    assert 0 <= starts[0] < starts[1] < starts[2] < starts[3] <= 2 * SECOND
    assert [one.arrival for one in sent[4:]] == [start + 4 * SECOND for start in starts]


def test_kinds_are_listed_and_a_wrong_one_is_told() -> None:
    assert kinds() == ["closed_loop", "open_loop", "sessions"]
    with pytest.raises(InputError, match=r"^workload\.sesions: .* Did you mean 'sessions'\?"):
        workload("sesions", {}, 1)


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("open_loop", {"rate": "1/s"}, "input_tokens: is missing; write it, or a file"),
        ("open_loop", {"rate": "1/s", "input_tokens": 1}, "output_tokens: is missing; write it"),
        ("open_loop", {"input_tokens": 1, "output_tokens": 1}, "rate: is missing"),
        ("open_loop", UNIFORM, "requests: is missing; write how many, or a `duration`."),
        ("open_loop", UNIFORM | {"requests": 0}, "requests: found 0; write a whole number"),
        ("open_loop", UNIFORM | {"requests": 1.5}, "requests: found 1.5; write a whole number"),
        ("open_loop", UNIFORM | {"cv": 2, "requests": 1}, "cv: found 2; uniform has 0"),
        ("open_loop", UNIFORM | {"duration": 5}, "duration: 5 has no unit"),
        ("open_loop", UNIFORM | {"max_context": 9, "requests": 1}, "max_context: no request fits"),
        ("open_loop", UNIFORM | {"prefix": {"tokns": 1}}, "prefix.tokns: there is no such field."),
        ("open_loop", UNIFORM | {"prefix": {}}, "prefix.tokens: is missing"),
        ("open_loop", UNIFORM | {"prefix": 5}, "prefix: found 5; write {field: value}."),
        ("open_loop", UNIFORM | {"order": "random"}, "order: found 'random'. Allowed: file, "),
        ("open_loop", UNIFORM | {"lengths": {"file": "no.csv"}}, "lengths.file: cannot read"),
        ("open_loop", UNIFORM | {"lengths": {"file": 3}}, "lengths.file: found 3; write a name"),
        ("open_loop", UNIFORM | {"seed": 3}, "seed: there is no such field."),
        ("closed_loop", LOOP | {"concurency": 3}, "concurency: there is no such field. Did you"),
        ("closed_loop", {"concurrency": 0}, "concurrency: found 0; write a whole number, at least"),
        ("closed_loop", LOOP | {"requests": None}, "requests: is missing"),
        ("closed_loop", LOOP | {"concurrency": None}, "concurrency: is empty"),
        ("closed_loop", LOOP | {"jitter": "3"}, "jitter: '3' has no unit"),
    ],
)
def test_what_cannot_be_is_said_with_its_path(
    kind: str, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        workload(kind, fields, 1)
    assert str(caught.value).startswith(f"workload.{kind}.{sentence}")


def test_fields_must_be_fields() -> None:
    with pytest.raises(InputError, match=r"^workload\.open_loop: found 5; write \{field: value\}"):
        workload("open_loop", 5, 1)  # type: ignore[arg-type]


def test_a_file_without_usual_columns_asks_for_their_names(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "prompt,answer\n1,2\n")
    with pytest.raises(InputError, match=r"lengths\.file: .* Its columns: prompt, answer\.$"):
        made("open_loop", rate="1/s", lengths=file)
    with pytest.raises(InputError, match=r"^workload\.open_loop\.input_tokens: `lengths` says it"):
        made("open_loop", UNIFORM, lengths={"file": file, "input": "prompt", "output": "answer"})
    negative = write(tmp_path / "b.csv", "input_tokens,output_tokens\n5,-1\n")
    with pytest.raises(InputError, match="has negative lengths"):
        made("open_loop", rate="1/s", lengths=negative)


SHOW = """
from itertools import islice
from kvsim.traces.generators import workload
law = {"lognormal": {"median": 100, "cv": 1}}
shape = dict(input_tokens=law, output_tokens=law, requests=50)
talk = dict(turns=3, think_time="1 s", system_tokens=50, systems=3)
for kind, more in (("open_loop", dict(prefix=dict(groups=5, tokens=law))), ("sessions", talk)):
    print(list(workload(kind, dict(rate="1/s", **shape, **more), 7).arrivals()))
"""


def test_no_process_and_no_hash_seed_changes_a_draw() -> None:
    def run(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", SHOW]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    assert run("1") == run("2") != ""


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, kvsim.traces.generators; print('numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


def test_a_million_requests_are_streamed_not_stored() -> None:
    work = made("open_loop", UNIFORM, requests=10**12)
    assert [one.id for one in islice(work.arrivals(), 2)] == [0, 1]
