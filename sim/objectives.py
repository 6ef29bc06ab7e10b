"""Service-level objectives: who has which, and who met them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvsim.sim.recorder import NEVER
from kvsim.sim.tokens import Gaps
from kvsim.units import Ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kvsim.sim.metrics import Facts
    from kvsim.sim.unloaded import Unloaded

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

NO_LIMIT = float(1 << 62)
"""ns that nothing takes."""
OTHERS = "others"
"""The class of those that no condition names."""


class Times(NamedTuple):
    """So many times what the same request takes alone on an idle instance."""

    times: float


Limit = Ns | Times
COMPARED = {
    ">=": np.greater_equal,
    "<=": np.less_equal,
    ">": np.greater,
    "<": np.less,
    "=": np.equal,
}


class Bound(NamedTuple):
    """A condition on a number."""

    sign: str
    """One of COMPARED."""
    value: int

    def holds(self, values: "Ints") -> "Bools":
        """For which of `values`."""
        found: Bools = COMPARED[self.sign](values, self.value)
        return found

    def __str__(self) -> str:
        return f"{self.sign} {self.value}"


@dataclass(frozen=True)
class Targets:
    """Objectives of the requests for which all conditions hold; None is met by everything."""

    ttft: Limit | None = None
    """To the first token."""
    tpot: Limit | None = None
    """Per further token."""
    itl: tuple[tuple[Fraction, Ns], ...] = ()
    """Shares of a request's own times between tokens, and what so many keep within."""
    e2e: Limit | None = None
    """To the last token, tool calls included."""
    normalized: Limit | None = None
    """The same, per token of the answer."""
    kind: str | None = None
    """Conditions: the class of service, the client, lengths in tokens, the turn."""
    client: str | None = None
    prompt: Bound | None = None
    output: Bound | None = None
    turn: Bound | None = None

    @property
    def name(self) -> str:
        """Its conditions in words."""
        named = {"class": self.kind, "client": self.client, "prompt": self.prompt}
        named |= {"output": self.output, "turn": self.turn}
        return ", ".join(f"{k} {v}" for k, v in named.items() if v is not None) or OTHERS

    @property
    def is_for_the_rest(self) -> bool:
        """It names no condition."""
        return self.name == OTHERS

    def holds(self, facts: "Facts") -> "Bools":
        """For which requests all its conditions hold."""
        found = np.ones(len(facts.status), dtype=np.bool_)
        for wanted, values in ((self.kind, facts.kinds), (self.client, facts.clients)):
            if wanted is not None:
                found &= values == wanted
        for bound, column in ((self.prompt, "prompt_tokens"), (self.output, "output_tokens"),
                              (self.turn, "turn")):  # fmt: skip
            if bound is not None:
                found &= bound.holds(facts.requests[column])
        return found


@dataclass(frozen=True)
class Objectives:
    """What is asked of whom: of each request, what the first `Targets` says that names it.

    One without conditions is for those whom no other names, wherever it stands.
    """

    targets: Sequence[Targets]
    unloaded: "Unloaded | None" = field(default=None, repr=False)
    """The yardstick of targets in `Times`; needed by these alone."""

    def ask(self, *names: str) -> bool:
        """Whether anybody is asked for any of these."""
        asked = (getattr(one, name) for one in self.targets for name in names)
        return any(limit is not None and limit != () for limit in asked)

    def classes(self, facts: "Facts") -> "tuple[list[Targets], Ints]":
        """All classes, one for the rest last, and each request's place among them."""
        named = [one for one in self.targets if not one.is_for_the_rest]
        rest = [one for one in self.targets if one.is_for_the_rest]
        place = np.full(len(facts.status), len(named))
        for index in reversed(range(len(named))):
            place[named[index].holds(facts)] = index
        return [*named, *(rest[-1:] or [Targets()])], place

    def met(self, facts: "Facts", now: Ns) -> "dict[str, Bools]":
        """Per objective and arrived request. Rejected, or unfinished and late, is a miss.

        Unfinished and not yet late counts as met so far. `facts` are of the whole run.
        """
        requests = facts.requests
        done = facts.status == "finished"
        started = requests["first_token"] != NEVER
        classes, place = self.classes(facts)
        waited = np.where(started, requests["first_token"], now) - requests["arrival"]
        whole = np.where(done, requests["finish"], now) - requests["arrival"]
        seen = np.where(done, requests["finish"], _last_heard(facts, now))
        since = seen - requests["first_token"] - requests["paused"]
        tokens = np.where(done, requests["output_tokens"], requests["generated"]) - 1
        limits = {
            name: self._limits(facts, name, [getattr(one, name) for one in classes], place)
            for name in ("ttft", "tpot", "e2e", "normalized")
        }
        steady = since <= limits["tpot"] * np.maximum(tokens, 0)
        answer = np.maximum(requests["output_tokens"], 1)
        found = {
            "ttft": waited <= limits["ttft"],
            "tpot": ~started | (done & (tokens <= 0)) | steady,
            "itl": _smooth(facts, [one.itl for one in classes], place),
            "e2e": whole <= limits["e2e"],
            "normalized": whole <= limits["normalized"] * answer,
        }
        rejected = facts.status == "rejected"
        return {name: met & ~rejected for name, met in found.items()}

    def by_class(self, facts: "Facts", met: "Bools") -> dict[str, dict[str, float | None]]:
        """Requests of each class and the share that met its objectives; empty without classes."""
        classes, place = self.classes(facts)
        if len(classes) == 1:
            return {}
        members = {one.name: place == index for index, one in enumerate(classes)}
        return {
            name: {"requests": int(mine.sum()), "attainment": mean(met[mine])}
            for name, mine in members.items()
            if name != OTHERS or mine.any()
        }

    def _limits(
        self, facts: "Facts", name: str, limits: list[Limit | None], place: "Ints"
    ) -> "Floats":
        """Per request: the limit of its class in ns; out of reach without one."""
        ns = [limit if isinstance(limit, int) else NO_LIMIT for limit in limits]
        found = np.array(ns, dtype=np.float64)[place]
        times = np.array([one.times if isinstance(one, Times) else 0.0 for one in limits])[place]
        if times.any():
            scaled = times > 0
            found[scaled] = (times * self._alone(facts, name))[scaled]
        return found

    def _alone(self, facts: "Facts", name: str) -> "Floats":
        """What each request would take on an idle instance, in ns."""
        assert self.unloaded is not None
        requests = facts.requests
        prompts, outputs = requests["prompt_tokens"], requests["output_tokens"]
        if name == "ttft":
            return self.unloaded.ttft(prompts).astype(np.float64)
        whole = self.unloaded.e2e(prompts, outputs)
        if name == "tpot":
            return (whole - self.unloaded.ttft(prompts)) / np.maximum(outputs - 1, 1)
        whole = whole + requests["paused"]
        return whole / (np.maximum(outputs, 1) if name == "normalized" else 1)


def all_of(met: "dict[str, Bools]") -> "Bools":
    """Which requests met everything that was asked of them."""
    every: Bools = np.logical_and.reduce(list(met.values()))
    return every


def mean(met: "Bools") -> float | None:
    """The share of those who met an objective."""
    return float(met.mean()) if len(met) else None


def _smooth(
    facts: "Facts", asked: "list[tuple[tuple[Fraction, Ns], ...]]", place: "Ints"
) -> "Bools":
    """Per request: enough of the times between its tokens are short enough."""
    met = np.ones(len(place), dtype=np.bool_)
    if not any(asked):
        return met
    gaps = Gaps(facts)
    for index, levels in enumerate(asked):
        for share, limit in levels:
            spare = gaps.count * (share.denominator - share.numerator) // share.denominator
            met &= (place != index) | (gaps.over(limit) <= spare)
    return met


def _last_heard(facts: "Facts", now: Ns) -> "Ints":
    """Per request: the end of its replica's last span, up to which its tokens are counted."""
    spans, replica = facts.spans, facts.requests["replica_decode"]
    heard = np.full(max(replica.max(initial=0), spans["replica"].max(initial=0)) + 1, -1)
    np.maximum.at(heard, spans["replica"], spans["end"])
    last: Ints = np.where(heard < 0, now, heard)[replica]
    return last
