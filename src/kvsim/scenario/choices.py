"""The policies a scenario names, made."""

from collections.abc import Mapping
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.policies import answers
from kvsim.sim.recorder import TIERS


def answer(question: str, spec: Any) -> Any:
    """A fresh answer, which must be able to do without the future."""
    try:
        made = answers(question).make(spec)
    except InputError as error:
        raise InputError(f"policies.{question}: {error}") from None
    if "future" in getattr(made, "needs", ()):
        raise InputError(
            f"policies.{question}: {spec!r} knows the future, which a timed run does not."
        )
    return made


def answer_of_tier(question: str, spec: Any, tier: str, default: str) -> Any:
    """A tier's own answer: one serves all, or some are named and the others take `default`."""
    if isinstance(spec, Mapping) and any(
        name in TIERS or isinstance(inner, str) for name, inner in spec.items()
    ):
        for name in spec:
            if name not in TIERS:
                hint = perhaps(str(name), TIERS)
                raise InputError(f"policies.{question}: there is no tier {name!r}.{hint}")
        spec = spec.get(tier, default)
    return answer(question, spec)
