"""What a trace is like: rates, lengths, sessions, reuse, as numbers. Pure functions over rows."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from kvsim.errors import InputError
from kvsim.traces.reader import Turn
from kvsim.traces.request import Request, Runs
from kvsim.traces.runs import block_ids
from kvsim.units import SECOND, Ns, seconds

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

PEAK_WINDOW: Ns = 10 * SECOND
"""Load peaks are read over windows of this length."""
WHOLE = 0.9
"""Share of the last window that has to lie in the trace for it to be counted."""
LARGEST_ID = 1 << 28
"""Block ids are indices of a table; public formats number them from 0 without holes."""
Times = Literal["trace", "session", "none"]


def statistics(turns: Iterable[Turn], times: Times = "trace") -> dict[str, Any]:
    """Counts, rates, lengths, block reuse and sessions of a trace; None for what it leaves out.

    Times in seconds, lengths in tokens. A percentile is a value that occurs: of n sorted ones, the
    one with int(q·n) below it. `cv` is the coefficient of variation of the gaps between arrivals,
    `peak` the busiest 10 s over the mean 10 s. `blocks.used_once` is the share of unique blocks,
    and `reuse_s` the time since a block was last asked for. `think_s` leaves out first turns.
    Without sessions, `chains` infers them: a request extends another if it begins with all full
    blocks of it, and these are more than the first block.
    """
    arrivals, prompts, outputs = array("q"), array("q"), array("q")
    thinks, services = array("q"), array("q")
    sessions: Counter[int] = Counter()
    clients: Counter[str] = Counter()
    table, chains = BlockTable(), Chains()
    block_tokens: set[int] = set()
    for request, think, service in turns:
        arrivals.append(request.arrival)
        prompts.append(request.prompt_tokens)
        outputs.append(request.output_tokens)
        if think is not None and request.turn:
            thinks.append(think)
        if service is not None:
            services.append(service)
        if request.client:
            clients[request.client] += 1
        if request.blocks:
            block_tokens.add(request.block_tokens)
            table.ask(request.blocks, request.arrival)
        if request.session is not None:
            sessions[request.session] += 1
        elif request.blocks:
            chains.add(request)
    timed = load(arrivals) if times == "trace" else dict.fromkeys(LOAD)
    return {
        "requests": len(arrivals),
        **timed,
        "input_tokens": spread_of(prompts),
        "output_tokens": spread_of(outputs),
        "blocks": table.summary(sorted(block_tokens)) if block_tokens else None,
        "sessions": _groups(sessions, "turns"),
        "clients": _groups(clients, "requests"),
        "chains": chains.summary() if times == "trace" and not sessions and block_tokens else None,
        "think_s": _seconds(thinks, ("p50", "p90")),
        "service_s": _seconds(services, ("p50", "p90")),
    }


LOAD = ("span_s", "requests_per_s", "cv", "peak")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def load(arrivals: Sequence[Ns]) -> dict[str, float | None]:
    """Span, rate, burstiness and peak of arrivals in order; None where there are too few."""
    import numpy as np

    at = np.asarray(arrivals, dtype=np.int64)
    span = int(at[-1] - at[0]) if len(at) else 0
    if not span:
        return {
            "span_s": 0.0 if len(at) else None,
            "requests_per_s": None,
            "cv": None,
            "peak": None,
        }
    gaps = np.diff(at)
    windows = int(span / PEAK_WINDOW + 1 - WHOLE)
    counts = np.bincount((at - at[0]) // PEAK_WINDOW, minlength=windows)[:windows]
    return {
        "span_s": seconds(span),
        "requests_per_s": len(at) / seconds(span),
        "cv": float(gaps.std() / gaps.mean()),
        "peak": float(counts.max() / counts.mean()) if windows else None,
    }


def spread_of(values: Sequence[int]) -> dict[str, float] | None:
    """Mean, percentiles and maximum; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    shares = {name: ordered[int(share * len(ordered))] for name, share in SHARES.items()}
    return {"mean": sum(ordered) / len(ordered), **shares, "max": ordered[-1]}


class BlockTable:
    """When each block was last asked for, and how long ago that was when it was asked for again."""

    def __init__(self) -> None:
        self.asked = 0
        self._last: NDArray[int64] | None = None
        """By block id; below zero: never asked for."""
        self._once: NDArray[int64] | None = None
        """By block id: 1 if it was asked for once."""
        self._reuses: Counter[Ns] = Counter()

    def ask(self, runs: Runs, at: Ns) -> None:
        """A request asks for blocks at instant `at`."""
        import numpy as np

        last, once = self._tables(max(a + n for a, n in zip(runs[::2], runs[1::2], strict=True)))
        for first, count in zip(runs[::2], runs[1::2], strict=True):
            self.asked += count
            before = last[first : first + count]
            if before[0] == before[-1] and (before == before[0]).all():  # asked for together before
                ages = {int(before[0]): count}
            else:
                times, counts = np.unique(before, return_counts=True)
                ages = dict(zip(times.tolist(), counts.tolist(), strict=True))
            for time, number in ages.items():
                if time >= 0:
                    self._reuses[at - time] += number
            once[first : first + count] = before < 0
            last[first : first + count] = at

    def summary(self, block_tokens: list[int]) -> dict[str, Any]:
        """The table of reuse, for people."""
        assert self._last is not None
        assert self._once is not None
        unique = int((self._last >= 0).sum())
        return {
            "block_tokens": block_tokens,
            "asked": self.asked,
            "unique": unique,
            "used_once": int(self._once.sum()) / unique,
            "reuse_s": _weighted(self._reuses),
        }

    def _tables(self, size: int) -> "tuple[NDArray[int64], NDArray[int64]]":
        import numpy as np

        if size > LARGEST_ID:
            raise InputError(f"block id {size - 1} is above {LARGEST_ID}; number blocks from 0 on.")
        if self._last is None or self._once is None or size > len(self._last):
            grown = max(size, 1024, 2 * (0 if self._last is None else len(self._last)))
            last, once = np.full(grown, -1, np.int64), np.zeros(grown, np.int64)
            if self._last is not None and self._once is not None:
                last[: len(self._last)], once[: len(self._once)] = self._last, self._once
            self._last, self._once = last, once
        return self._last, self._once


class Chains:
    """Conversations that nobody wrote down, inferred from prompts that begin with others."""

    def __init__(self) -> None:
        self._requests = 0
        self._last: dict[int, tuple[Ns, int]] = {}
        """By last full block: when that prompt arrived, and its place in its chain from 1 on."""
        self._gaps: list[Ns] = []
        self._longest = 1

    def add(self, request: Request) -> None:
        """The next request, in order of arrival."""
        self._requests += 1
        ids = block_ids(request.blocks)
        earlier = next((self._last[id] for id in ids[:0:-1] if id in self._last), None)
        place = 1
        if earlier is not None:
            self._gaps.append(request.arrival - earlier[0])
            place = earlier[1] + 1
            self._longest = max(self._longest, place)
        full = min(request.prompt_tokens // request.block_tokens, len(ids))
        if full > 1:
            self._last[ids[full - 1]] = (request.arrival, place)

    def summary(self) -> dict[str, Any]:
        """Share of requests that extend another, gaps to it, and the longest chain."""
        return {
            "extending": len(self._gaps) / self._requests if self._requests else 0.0,
            "gap_s": _seconds(self._gaps, ("p50", "p90")),
            "longest": self._longest,
        }


def _weighted(counted: Mapping[Ns, int]) -> dict[str, float] | None:
    total = sum(counted.values())
    if not total:
        return None
    below, found, wanted = 0, {}, dict(SHARES)
    for value in sorted(counted):
        below += counted[value]
        for name in [name for name, share in wanted.items() if int(share * total) < below]:
            found[name] = seconds(value)
            del wanted[name]
    return found


def _seconds(values: Sequence[Ns], names: Sequence[str]) -> dict[str, float] | None:
    found = spread_of(values)
    return None if found is None else {name: seconds(found[name]) for name in names}


def _groups(sizes: Mapping[Any, int], what: str) -> dict[str, Any] | None:
    found = spread_of(list(sizes.values()))
    if found is None:
        return None
    return {"count": len(sizes), what: {name: found[name] for name in ("p50", "p90", "max")}}
