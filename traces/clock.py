"""When recorded requests arrive: slow clocks made smooth, and starts for what has none."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, groupby, islice, pairwise

from kvsim.errors import InputError
from kvsim.traces.reader import Turn
from kvsim.units import Ns

Placed = tuple[Ns, Turn]
"""A row and its arrival."""
LOOK_AHEAD = 1024
"""Rows that are looked at to find how slow the clock is."""
JITTER = 0.1
"""How far from a whole number of ticks, in ticks, the gaps of a slow clock are at most."""


def tick_of(arrivals: Sequence[Ns]) -> Ns:
    """How long a tick of the clock is that recorded `arrivals`; 0 for one that does not tick.

    A slow clock shows in shared instants, all gaps between them being whole ticks; the smallest is
    one tick. Mooncake's conversation trace: 3 s, give or take 3 ms.
    """
    distinct = sorted(set(arrivals))
    if len(distinct) == len(arrivals) or len(distinct) < 2:
        return 0
    gaps = [b - a for a, b in pairwise(distinct)]
    tick = min(gaps)
    ragged = any(abs(gap - round(gap / tick) * tick) > JITTER * tick for gap in gaps)
    return 0 if ragged else tick


def spread(placed: Iterator[Placed], tick: Ns | None = None) -> Iterator[Placed]:
    """The same rows in the same order, those of one tick spread evenly over it.

    Without a `tick` the first rows tell it.
    """
    if tick is None:
        ahead = list(islice(placed, LOOK_AHEAD))
        tick = tick_of([at for at, _ in ahead])
        placed = chain(ahead, placed)
    return _spaced(placed, tick) if tick else placed


def _spaced(rows: Iterator[Placed], tick: Ns) -> Iterator[Placed]:
    together: list[Turn] = []
    since: Ns = 0
    for at, turn in rows:
        if together and at != since:
            yield from _between(together, since, min(tick, at - since))
            together = []
        since = at
        together.append(turn)
    yield from _between(together, since, tick)


def _between(turns: list[Turn], since: Ns, width: Ns) -> Iterator[Placed]:
    for place, turn in enumerate(turns):
        yield since + place * width // len(turns), turn


def one_each(turns: Iterator[Turn], instants: Iterable[Ns]) -> Iterator[Placed]:
    """Rows without times, one at each of the `instants`; ends with the shorter of both."""
    for turn, at in zip(turns, _ordered(instants), strict=False):
        yield at, turn


def started(turns: Iterator[Turn], instants: Iterable[Ns]) -> Iterator[Placed]:
    """Rows whose times count from the start of their client, merged; clients start at `instants`.

    Only the clients that are under way are held. Ends with the shorter of both.
    """
    under_way: list[tuple[Ns, int, Turn]] = []
    rows = 0
    starts = _ordered(instants)
    for _, group in groupby(turns, key=lambda turn: turn.request.client):
        start = next(starts, None)
        if start is None:
            break
        while under_way and under_way[0][0] <= start:
            at, _, turn = heappop(under_way)
            yield at, turn
        for turn in group:
            heappush(under_way, (start + turn.request.arrival, rows, turn))
            rows += 1
    while under_way:
        at, _, turn = heappop(under_way)
        yield at, turn


def _ordered(instants: Iterable[Ns]) -> Iterator[Ns]:
    earlier: Ns = 0
    for at in instants:
        if type(at) is not int:
            raise InputError(f"arrivals: found {at!r}; an instant is an integer, in ns.")
        if at < earlier:
            raise InputError(f"arrivals: {at} ns comes after {earlier} ns, out of order.")
        yield at
        earlier = at
