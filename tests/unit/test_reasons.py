"""Does a request's row turn into the sentence a person would say of it?"""

import pandas as pd
import pytest

from kvsim.report import folder
from kvsim.report.reasons import Context, pace_reason, reason, tpot

MS, SECOND = 10**6, 10**9


def row(**given):
    """A request whose first token came after 100 ms of prefill and whose answer took 1 s."""
    usual = {
        "id": 7, "status": "finished", "reason": None, "arrival": 5 * SECOND,
        "admitted": 5 * SECOND, "first_token": 5100 * MS, "finish": 6100 * MS,
        "prompt_tokens": 1000, "output_tokens": 101, "generated": 101, "hit_hbm": 0, "hit_dram": 0,
        "hit_ssd": 0, "hit_remote": 0, "preemptions": 0, "recomputed": 0, "queue": 0, "load": 0,
        "prefill": 100 * MS, "transfer": 0, "other": 0, "paused": 0,
    }  # fmt: skip
    return usual | given


def slow(part: str, ns: int, **given):
    """A request that lost `ns` in `part` before the usual 100 ms of prefill."""
    late = {"first_token": 5 * SECOND + 100 * MS + ns, "finish": 6 * SECOND + 100 * MS + ns}
    return row(**late, **{part: ns}, **given)


@pytest.mark.parametrize(
    ("request_row", "context", "expected"),
    [
        (row(), None, "prefill of 1,000 tokens took 100 ms"),
        (
            slow("queue", 3200 * MS, admitted=8200 * MS),
            Context(ahead=41),
            "waited 3.20 s of 3.30 s in the queue behind 41 requests",
        ),
        (slow("queue", 900 * MS), Context(ahead=0), "waited 900 ms of 1.00 s in the queue"),
        (
            slow("load", 400 * MS, hit_dram=600, hit_ssd=300),
            None,
            "waited 400 ms of 500 ms for 900 tokens of KV from DRAM and SSD",
        ),
        (
            slow("transfer", 300 * MS),
            None,
            "handing KV of 1,000 tokens to the decode replica took 300 ms of 400 ms",
        ),
        (
            slow("other", 400 * MS, preemptions=2, recomputed=1500),
            None,
            "lost 400 ms of 500 ms to being preempted twice, 1,500 tokens computed again",
        ),
        (slow("other", 300 * MS), None, "lost 300 ms of 400 ms outside queue and steps"),
        (
            row(prompt_tokens=85_000, hit_hbm=5_000),
            Context(computed=1000, steps=11),
            "long prompt: 80.0k tokens prefilled in 11 steps, 100 ms",
        ),
        (
            row(queue=40 * MS, prefill=45 * MS, other=15 * MS),
            None,
            "prefill of 1,000 tokens took 45.0 ms of 100 ms; waited 40.0 ms of 100 ms in the queue",
        ),
        (row(preemptions=1), None, "prefill of 1,000 tokens took 100 ms; preempted once"),
        (
            row(paused=2 * SECOND, finish=8100 * MS),
            Context(tpot=5 * MS, output=50),
            "prefill of 1,000 tokens took 100 ms; paused 2.00 s for tool calls; "
            "a token every 10.0 ms, 2.0 times the median; long answer: 101 tokens",
        ),
    ],
)
def test_a_reason_names_the_largest_part(request_row, context, expected):
    assert reason(request_row, context) == expected


def test_a_rejected_request_says_why():
    assert (
        reason({"status": "rejected", "reason": "prompt too long"}) == "rejected: prompt too long"
    )
    assert reason({"status": "rejected", "reason": None}) == "rejected"
    assert reason({"status": "rejected", "reason": float("nan")}) == "rejected"


def test_a_request_without_a_first_token_says_how_far_it_came():
    waiting = row(status="waiting", admitted=None, first_token=None, finish=None)
    assert reason(waiting) == "was still in the queue when the run ended"
    later = Context(end=9 * SECOND, ahead=1)
    assert reason(waiting, later) == (
        "was still in the queue behind 1 request when the run ended after 4.00 s"
    )
    running = row(status="running", admitted=6 * SECOND, first_token=float("nan"), finish=None)
    assert reason(running) == (
        "was admitted 1.00 s after it arrived, and the run ended before its first token"
    )


def test_an_unfinished_answer_is_said_to_be_unfinished():
    assert reason(row(status="running", finish=None)).endswith(
        "; was still running when the run ended"
    )


def test_nulls_and_missing_columns_are_no_obstacle():
    assert reason({}) == "was still in the queue when the run ended"
    assert reason({"status": "finished", "arrival": 0, "first_token": 2 * SECOND}) == (
        "first token after 2.00 s"
    )
    assert reason({"status": "finished", "arrival": 0, "first_token": 0}) == (
        "got its first token at once"
    )
    assert reason(dict.fromkeys(row())) == "was still in the queue when the run ended"


def test_a_slow_answer_is_explained_by_what_ran_beside_it():
    crowded = Context(answers=41.2, mixed=0.6)
    assert pace_reason(row(), crowded) == (
        "60.0 % of it in steps that also prefilled prompts; "
        "written beside 40 other answers on average"
    )
    stopped = row(preemptions=1, recomputed=300, paused=2 * SECOND)
    assert pace_reason(stopped, Context()) == (
        "preempted once, 300 tokens computed again; paused 2.00 s for tool calls"
    )
    assert pace_reason(row(), Context(mixed=0.01)) == "nothing unusual"


def test_tool_calls_are_no_part_of_the_time_between_tokens():
    rows = pd.DataFrame([row(), row(paused=500 * MS), row(output_tokens=1), row(finish=None)])
    assert [tpot(dict(one)) for _, one in rows.iloc[:2].iterrows()] == [10 * MS, 5 * MS]
    assert folder.tpot(rows).tolist()[:2] == [10 * MS, 5 * MS]
    assert folder.tpot(rows).isna().tolist() == [False, False, True, True]
