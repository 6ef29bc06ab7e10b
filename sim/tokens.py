"""The times between a request's own tokens, exactly, without a fact per token.

While a request decodes it takes a token at each of its replica's decode steps. So its stays in the
decode batch, counted in these steps, and the spans' boundaries say when each of its tokens came.
"""

from typing import TYPE_CHECKING

import numpy as np

from kvsim.sim.recorder import NEVER
from kvsim.sim.timing import FRACTION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kvsim.sim.metrics import Facts

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

LONG = 1 << 42
"""ns that no step takes, and that fit into an integer with their fraction."""


class Gaps:
    """What a run's facts say of the times between tokens; `over` is asked once for each limit."""

    def __init__(self, facts: "Facts") -> None:
        self._ids = facts.requests["id"]
        decoding = facts.spans["decodes"] > 0
        order = np.argsort(facts.spans["replica"][decoding], kind="stable")
        self._spans = {name: column[decoding][order] for name, column in facts.spans.items()}
        again, row = self._known(facts.resampled)
        preempted = again["since"] != NEVER
        self._again_row = row[preempted]
        self._again = (again["at"] - again["since"])[preempted]
        self._locate(facts.stays)
        self._silences(facts.requests["first_token"], again["at"], row)
        self.count = self._sum(self._row, self._tokens) + self._sum(self._again_row, 1)
        """Per request: times between two of its tokens, tool calls left out."""

    def over(self, limit: int) -> "Ints":
        """Per request: how many of them are longer than `limit` ns."""
        spans = self._spans
        every = _steps_over(spans["first"], spans["growth"], spans["steps"], limit)
        plain = self._late(spans["first"], 0, limit)
        waited = self._late(spans["first"], self._idle, limit)
        ahead = np.append(0, np.cumsum(every + (waited & ~plain)))
        own = self._late(spans["first"][self._begin], self._silence, limit)
        late = ahead[self._end + 1] - ahead[self._begin] - waited[self._begin] + own
        again = (self._again > limit).astype(np.int64)
        return self._sum(self._row, late) + self._sum(self._again_row, again)

    def _known(self, table: "dict[str, Ints]") -> "tuple[dict[str, Ints], Ints]":
        """Rows of `table` that belong to requests here, and to which of them."""
        known = np.isin(table["request"], self._ids)
        mine = {name: column[known] for name, column in table.items()}
        return mine, np.searchsorted(self._ids, mine["request"])

    def _locate(self, stays: "dict[str, Ints]") -> None:
        """Spans in which each stay begins and ends, and the time without a token before spans."""
        spans = self._spans
        taken = stays["last"] > stays["first"]
        stays, self._row = self._known({name: column[taken] for name, column in stays.items()})
        self._tokens = stays["last"] - stays["first"]
        after = np.cumsum(spans["steps"])
        before = after - spans["steps"]
        base = np.append(before, 0)[np.searchsorted(spans["replica"], stays["replica"])]
        self._begin = np.searchsorted(before, base + stays["first"])
        self._end = np.searchsorted(after, base + stays["last"])
        same = np.diff(spans["replica"], prepend=-1) == 0
        self._idle = np.where(same, spans["start"] - np.roll(spans["end"], 1), 0)

    def _silences(self, first_token: "Ints", again: "Ints", again_row: "Ints") -> None:
        """How long each stay's request had had no token when its first step began."""
        started = np.flatnonzero(first_token != NEVER)
        begun, ended = self._spans["start"][self._begin], self._spans["end"][self._end]
        at = np.concatenate((first_token[started], again, ended, begun))
        row = np.concatenate((started, again_row, self._row, self._row))
        is_token = np.arange(len(at)) < len(at) - len(begun)
        order = np.lexsort((~is_token, at, row))
        latest = np.maximum.accumulate(np.where(is_token[order], np.arange(len(at)), 0))
        silence = np.empty(len(at), dtype=np.int64)
        silence[order] = at[order] - at[order][latest]
        self._silence = silence[~is_token]

    def _late(self, first: "Ints", waited: "Ints | int", limit: int) -> "Bools":
        """Whether a step of `first`, after `waited` ns, makes its tokens later than `limit`."""
        late: Bools = first > np.minimum(limit - waited, LONG) << FRACTION
        return late

    def _sum(self, row: "Ints", value: "Ints | int") -> "Ints":
        total = np.zeros(len(self._ids), dtype=np.int64)
        np.add.at(total, row, value)
        return total


def _steps_over(first: "Ints", growth: "Ints", steps: "Ints", limit: int) -> "Ints":
    """Of steps that take first, first + growth, first + 2 growth ...: how many exceed `limit`."""
    room = (min(limit, LONG) << FRACTION) - first
    whole = room // np.maximum(abs(growth), 1)
    late = np.select(
        [growth > 0, growth < 0], [steps - whole - 1, -whole], np.where(room < 0, steps, 0)
    )
    return np.clip(late, 0, steps)
