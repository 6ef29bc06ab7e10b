"""Do the batch's running sums agree with counting every sequence anew?"""

from hypothesis import given
from hypothesis import strategies as st

from kvsim.sim.batch import DecodeBatch, Windowed
from kvsim.sim.sequence import Sequence
from kvsim.traces.request import Request

BLOCK = 16
WINDOW = Windowed(tokens=40, block_bytes=3, restarts=False)
CHUNK = Windowed(tokens=48, block_bytes=5, restarts=True)


def held(stored: int) -> int:
    """Bytes of a sequence: whole blocks, windows up to their width."""
    kept = (min(stored, WINDOW.kept), min(stored, CHUNK.kept))
    return 7 * -(-stored // BLOCK) + 3 * -(-kept[0] // BLOCK) + 5 * -(-kept[1] // BLOCK)


@given(st.lists(st.tuples(st.integers(1, 120), st.integers(1, 90)), min_size=1), st.data())
def test_sums_agree_with_a_recount(lengths: list[tuple[int, int]], data: st.DataObject) -> None:
    batch = DecodeBatch(BLOCK, 7, (WINDOW, CHUNK))
    stored: dict[Sequence, int] = {}
    waiting = []
    for index, (prompt, output) in enumerate(lengths):
        sequence = Sequence(Request(index, 0, prompt, output), 0)
        sequence.computed = prompt
        waiting.append(sequence)
    taken = 0
    while waiting or batch.size:
        if waiting and (not batch.size or data.draw(st.booleans())):
            sequence = waiting.pop()
            batch.join(sequence)
            stored[sequence] = sequence.computed
        elif data.draw(st.integers(0, 9)) == 0:
            sequence = data.draw(st.sampled_from(sorted(stored, key=lambda one: one.id)))
            batch.leave(sequence)
            assert sequence.computed == stored.pop(sequence)
        else:
            horizon = batch.horizon()
            steps = data.draw(st.integers(1, min(horizon, 50)))
            before = sum(map(held, stored.values()))
            after = sum(held(length + steps) for length in stored.values())
            assert batch.demand(steps) == after - before
            room = data.draw(st.integers(0, after - before))
            fits = batch.affordable(room, steps)
            assert batch.demand(fits) <= room
            assert fits == steps or batch.demand(fits + 1) > room
            batch.advance(steps)
            taken += steps
            for sequence in stored:
                stored[sequence] += steps
            for sequence in batch.finished():
                assert sequence.computed == stored.pop(sequence)
        lengths_now = stored.values()
        assert batch.contexts((None, 0, 1)) == (
            sum(length + 1 for length in lengths_now),
            sum(min(length + 1, 40) for length in lengths_now),
            sum(length % 48 + 1 for length in lengths_now),
        )
        assert batch.growing((None, 0))[1] == sum(length + 1 < 40 for length in lengths_now)


def test_who_has_gone_to_another_batch_does_not_end_in_the_first() -> None:
    """After as many steps there as it had left here: the two ends are the same number."""
    here, there = DecodeBatch(BLOCK, 7, ()), DecodeBatch(BLOCK, 7, ())
    gone, stays = (Sequence(Request(index, 0, 10, 20), 0) for index in range(2))
    for sequence in (gone, stays):
        here.join(sequence)
    here.advance(5)
    here.leave(gone)
    there.steps = 5
    there.join(gone)
    here.advance(15)
    assert here.finished() == [stays]
    assert there.horizon() == 15
