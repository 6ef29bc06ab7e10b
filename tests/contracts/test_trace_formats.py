"""Does every trace format keep the promises of `Reader`?"""

import pytest
from trace_samples import SAMPLES, written

from kvsim.traces import Request, formats
from kvsim.traces.discovery import format_of
from kvsim.traces.lines import Lines

NAMES = list(formats())


def test_every_format_has_a_sample_here():
    assert sorted(SAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    reader = formats()[name]
    assert reader.name == name
    assert 20 < len(reader.summary) < 80


@pytest.mark.parametrize("name", NAMES)
def test_it_recognises_its_own_files_and_no_others(name, tmp_path):
    reader = formats()[name]
    assert [other for other, text in SAMPLES.items() if reader.detects(text)] == [name]
    assert format_of(written(tmp_path, SAMPLES[name])) is reader


@pytest.mark.parametrize("name", NAMES)
def test_it_recognises_nothing_in_other_texts(name):
    reader = formats()[name]
    for text in ("", "\n", "{", "[]\n", '{"a": 1}\n', "a,b\n1,2\n", "PK\x03\x04", '"timestamp"'):
        assert not reader.detects(text)


@pytest.mark.parametrize("name", NAMES)
def test_its_rows_are_requests_with_labels_of_a_known_size(name):
    rows = list(formats()[name].rows(Lines(SAMPLES[name].splitlines(keepends=True))))
    assert rows
    for row in rows:
        assert isinstance(row, Request)
        assert bool(row.blocks) == bool(row.block_tokens)
        assert formats()[name].block_tokens in (0, row.block_tokens)


@pytest.mark.parametrize("name", [name for name in NAMES if formats()[name].row_per_line])
def test_it_streams(name):
    taken = 0

    def endless():
        nonlocal taken
        head, *rows = SAMPLES[name].splitlines(keepends=True)
        yield head
        while True:
            for line in rows or [head]:
                taken += 1
                yield line

    rows = formats()[name].rows(Lines(endless()))
    for _ in range(5):
        next(rows)
    assert taken < 1000
