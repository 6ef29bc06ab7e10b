"""What a scenario may say under `slo`, and what the machine's summary makes of it."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
)

from kvsim.scenario.part import Duration, Part, shown_time
from kvsim.sim.objectives import COMPARED, Bound, Limit, Times
from kvsim.sim.objectives import Objectives as Asked
from kvsim.sim.objectives import Targets as Asks
from kvsim.units import duration

if TYPE_CHECKING:
    from kvsim.sim.unloaded import Unloaded

_TIMES = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*x\s*")
_BOUND = re.compile(r"\s*(<=|>=|<|>|=|)\s*(\d+)\s*")


def limit(found: object) -> Limit | None:
    """`50 ms`, or `5x`: five times what the same request takes alone."""
    if found is None:
        return None
    scaled = _TIMES.fullmatch(str(found))
    if scaled is None:
        return duration(found)
    if float(scaled[1]) == 0:
        raise ValueError(f"{found!r} is nothing; write a number of times above 0, as in '5x'.")
    return Times(float(scaled[1]))


def bound(found: object) -> Bound | None:
    """`> 8192`; a number alone is that number."""
    if found is None:
        return None
    read = None if isinstance(found, bool) else _BOUND.fullmatch(str(found))
    if read is None:
        signs = ", ".join(COMPARED)
        raise ValueError(f"{found!r} is no condition; write a number after one of {signs}.")
    return Bound(read[1] or "=", int(read[2]))


def _shown(found: Limit | Bound | None) -> str | None:
    if isinstance(found, Times):
        return f"{found.times:g}x"
    return shown_time(found) if isinstance(found, int) else found and str(found)


def _kept(read: Callable[[object], Any]) -> tuple[PlainValidator, PlainSerializer]:
    return PlainValidator(read), PlainSerializer(_shown)


Target = Annotated[Limit | None, *_kept(limit)]
Condition = Annotated[Bound | None, *_kept(bound)]


class Targets(Part):
    """Service-level objectives: a duration, or `5x`, times what a request alone takes."""

    ttft: Target = None
    """To the first token."""
    tpot: Target = None
    """Per token after it."""
    e2e: Target = None
    """To the last token."""
    normalized: Target = None
    """The same, per token of the answer."""
    itl_p50: Duration | None = None
    """Of a request's own times between tokens; half of them keep within it..."""
    itl_p90: Duration | None = None
    itl_p95: Duration | None = None
    itl_p99: Duration | None = None
    itl_max: Duration | None = None
    """...or all."""

    def asks(self) -> Asks:
        """In the machine's words."""
        itl = tuple(
            (share, found)
            for name, share in SHARES.items()
            if (found := getattr(self, name)) is not None
        )
        return Asks(self.ttft, self.tpot, itl, self.e2e, self.normalized)


SHARES = {
    **{f"itl_p{percent}": Fraction(percent, 100) for percent in (50, 90, 95, 99)},
    "itl_max": Fraction(1),
}
"""Objectives on times between tokens, and the share of them that has to keep within."""


class ClassTargets(Targets):
    """Objectives of the requests for which all conditions hold, or of the rest without any."""

    kind: str | None = Field(None, alias="class")
    """As the trace names it."""
    client: str | None = None
    prompt: Condition = None
    """Tokens, as in `> 8192`."""
    output: Condition = None
    turn: Condition = None
    """Of its session; the first is 0."""

    def asks(self) -> Asks:
        """In the machine's words."""
        asked = super().asks()
        return Asks(
            asked.ttft, asked.tpot, asked.itl, asked.e2e, asked.normalized,
            self.kind, self.client, self.prompt, self.output, self.turn,
        )  # fmt: skip


def _apart(found: tuple[ClassTargets, ...]) -> tuple[ClassTargets, ...]:
    names = [one.asks().name for one in found]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"entries {names.index(name)} and {place} are both for {name!r}.")
    return found


Objectives = Annotated[
    Annotated[Targets, Tag("[one]")]
    | Annotated[tuple[ClassTargets, ...], AfterValidator(_apart), Tag("[list]")],
    Discriminator(lambda found: "[list]" if isinstance(found, list | tuple) else "[one]"),
]
"""Objectives of all requests, or a list of classes, of which a request is in the first that names
it. Tags are brackets: no key of a user's is."""


def asked(slo: Targets | tuple[ClassTargets, ...], unloaded: "Unloaded | None" = None) -> Asked:
    """In the machine's words; `unloaded` is what scaled ones are scaled from."""
    entries = slo if isinstance(slo, tuple) else (slo,)
    return Asked(tuple(one.asks() for one in entries), unloaded)
