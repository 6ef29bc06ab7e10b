"""Does run-length coding lose anything, and are its pieces what lists say?"""

from hypothesis import given
from hypothesis import strategies as st

from kvsim.traces.request import Request
from kvsim.traces.runs import block_ids, blocks, continued, head, run_length

IDS = st.lists(st.integers(0, 12), max_size=40)


@given(IDS)
def test_coding_round_trips(ids):
    runs = run_length(ids)
    assert block_ids(runs) == ids
    assert blocks(runs) == len(ids)
    assert all(count > 0 for count in runs[1::2])
    ends = [first + count for first, count in zip(runs[::2], runs[1::2], strict=True)]
    assert all(end != first for end, first in zip(ends, runs[2::2], strict=False))  # no run to join


@given(IDS, st.integers(0, 50))
def test_a_head_is_the_head_of_the_list(ids, wanted):
    assert block_ids(head(run_length(ids), wanted)) == ids[:wanted]


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 200))
def test_labels_go_on_into_the_answer_as_the_next_turn_names_it(prompt, output, more):
    size = 16
    whole = [*range(100, 200)]
    partial = [*whole[: prompt // size], 7] if prompt % size else whole[: prompt // size]
    following = prompt + more
    one = Request(0, 0, prompt, output, run_length(partial), size)
    two = Request(1, 0, following, 1, run_length(whole[: -(-following // size)]), size)
    labels = block_ids(continued(one, two))
    if more < output or -(-following // size) <= len(partial):
        assert labels == partial
    else:
        assert labels == whole[: -(-(prompt + output) // size)]
