"""The policies a scenario names, made."""

from collections.abc import Mapping
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.policies import answers
from kvsim.scenario.schema import Policies
from kvsim.sim.recorder import TIERS

ORACLES = ("predictor", "allocation")
"""Questions that an answer may need the future for."""


def check(policies: Policies) -> None:
    """Raise InputError for a policy that cannot be made, be it needed or not."""
    for tier in TIERS:
        answer_of_tier("eviction", policies.eviction, tier, "lru")
        answer_of_tier("placement", policies.placement, tier, "drop")
    for question in (
        "router",
        "scheduler",
        "preemption",
        "restore",
        "prefetch",
        "attention",
        "residency",
        "admission",
        "scaling",
        "roles",
    ):
        answer(question, getattr(policies, question))
    for question in ORACLES:
        answer(question, getattr(policies, question), oracles=True)


def answer(question: str, spec: Any, oracles: bool = False) -> Any:
    """A fresh answer, which must be able to do without the future unless `oracles` may answer."""
    try:
        made = answers(question).make(spec)
    except InputError as error:
        raise InputError(f"policies.{question}: {error}") from None
    if "future" in getattr(made, "needs", ()) and not oracles:
        raise InputError(
            f"policies.{question}: {spec!r} knows the future, which a timed run does not."
        )
    return made


def oracles(policies: Policies) -> list[str]:
    """Answers that know the future, as question and name."""
    asked = {question: getattr(policies, question) for question in ORACLES}
    return [
        f"{question} {name_of(spec)}"
        for question, spec in asked.items()
        if answer(question, spec, oracles=True).needs
    ]


def answer_of_tier(question: str, spec: Any, tier: str, default: str) -> Any:
    """A tier's own answer: one serves all, or some are named and the others take `default`."""
    for name in spec if _names_tiers(spec) else ():
        if name not in TIERS:
            hint = perhaps(str(name), TIERS)
            raise InputError(f"policies.{question}: there is no tier {name!r}.{hint}")
    return answer(question, spec_of_tier(spec, tier, default))


def spec_of_tier(spec: Any, tier: str, default: str) -> Any:
    """What `spec` says of one tier, or of all."""
    return spec.get(tier, default) if _names_tiers(spec) else spec


def name_of(spec: Any) -> str:
    """The name of an answer, given with its fields or without."""
    return str(next(iter(spec))) if isinstance(spec, Mapping) else str(spec)


def _names_tiers(spec: Any) -> bool:
    return isinstance(spec, Mapping) and any(
        name in TIERS or isinstance(inner, str) for name, inner in spec.items()
    )
