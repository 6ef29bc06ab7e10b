"""Is what was written what will be read?"""

import gzip
import json
from importlib.resources import as_file, files
from itertools import islice

import pytest
from shared import shared
from trace_samples import SAMPLES, written

from kvsim.errors import InputError
from kvsim.traces import Pause, Request, Workload, open_trace
from kvsim.traces.reader import Turn
from kvsim.traces.trace import recorded
from kvsim.traces.write import ideal, save
from kvsim.units import SECOND

TURNS = [
    Turn(Request(0, 0, 600, 5, (1, 2), 512)),
    Turn(Request(0, 1_234_567, 600, 50, (1, 2), 512, 3, 0, "c", "chat", 1, 10**12, 2)),
    Turn(Request(0, 10**15 + 1, 70, 9, (4, 2, 9, 1), 32, 3, 1), think=5, service=7),
    Turn(Request(0, 10**15 + 2, 70, 9, (), 0, pauses=(Pause(2, SECOND, 30),))),
    Turn(Request(0, 10**15 + 3, 500, 600, (4, 3), 512)),  # labels go on into the answer
]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_mooncake_keeps_everything(name, tmp_path):
    path = tmp_path / name
    assert save(TURNS, path) == 5
    assert list(recorded(path)) == TURNS
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_plain_row_is_exactly_mooncakes(tmp_path):
    path = tmp_path / "out.jsonl"
    save(TURNS[:1], path)
    assert json.loads(path.read_text()) == {
        "timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}  # fmt: skip


def test_equal_rows_make_equal_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        save(TURNS, tmp_path / name)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_vidur(tmp_path):
    path = tmp_path / "out.csv.gz"
    assert save(TURNS[:2], path, "vidur") == 2
    assert gzip.decompress(path.read_bytes()).decode().splitlines() == [
        "arrived_at,num_prefill_tokens,num_decode_tokens", "0.000000000,600,5", "0.001234567,600,50"
    ]  # fmt: skip
    assert [t.request.arrival for t in recorded(path)] == [0, 1_234_567]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=r"'vidr' cannot be written\. Did you mean 'vidur'"):
        save(TURNS, tmp_path / "out", "vidr")
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        save(TURNS, tmp_path / "gone" / "out")


def test_a_broken_source_leaves_no_file(tmp_path):
    broken = written(tmp_path, SAMPLES["mooncake"] + "{")
    with pytest.raises(InputError, match="line 2: not JSON"):
        save(recorded(broken), tmp_path / "out.jsonl")
    assert [file.name for file in tmp_path.iterdir()] == [broken.name]


class Caused(Workload):
    """Two sessions; a turn arrives 2 s after the one before is over."""

    def arrivals(self):
        yield from (Request(at, at * SECOND, 5, 5, session=at) for at in (0, 3))

    def next_turn(self, request, finished):
        if request.turn == 2:
            return None
        at = finished + 2 * SECOND
        return request._replace(id=request.id + 1, arrival=at, turn=request.turn + 1)


def test_an_ideal_server_answers_at_once():
    done = list(ideal(Caused()))
    assert [(r.session, r.turn, r.arrival // SECOND) for r in done] == [
        (0, 0, 0), (0, 1, 2), (3, 0, 3), (0, 2, 4), (3, 1, 5), (3, 2, 7)]  # fmt: skip
    assert list(ideal(Caused(), limit=2)) == done[:2]


def test_the_shipped_sample_can_be_replayed():
    with as_file(files("kvsim.traces.samples") / "mooncake_200.jsonl.gz") as path:
        requests = list(open_trace(path).arrivals())
    assert len(requests) == 200
    assert requests[0][:6] == (0, 0, 6758, 500, (0, 14), 512)
    assert requests[-1].arrival < 75 * SECOND


def test_the_shipped_sample_is_unchanged():
    whole = shared("traces/mooncake_conversation.jsonl.gz")
    with as_file(files("kvsim.traces.samples") / "mooncake_200.jsonl.gz") as path:
        assert list(recorded(path)) == list(islice(recorded(whole), 200))
