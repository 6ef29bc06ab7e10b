"""Does a random machine with any answers to all questions serve everybody, and give all back?

A livelock ends as an error of the machine, which fails here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from machine import Machine
from machines import machines, schedulers

from kvsim.policies import answers


@st.composite
def policies(draw: st.DrawFn) -> Callable[[Machine], Machine]:
    """Answers out of the registries; a tier is asked about its own placement and eviction."""
    named = {
        question: draw(st.sampled_from(names))
        for question in ("router", "eviction", "restore", "placement", "predictor")
        if (names := [name for name in answers(question).names() if name != "belady"])
    }
    chosen = draw(schedulers())

    def make(question: str) -> Any:
        return answers(question).make(named[question])

    def answered(machine: Machine) -> Machine:
        return replace(
            machine,
            scheduler=chosen,
            router=make("router"),
            eviction=lambda: make("eviction"),
            restore=make("restore"),
            predictor=lambda: make("predictor"),
            tiers=tuple(replace(tier, placement=make("placement")) for tier in machine.tiers),
        )

    return answered


@given(machines(), policies())
@settings(deadline=None, max_examples=5 * settings().max_examples)
def test_any_policies_together_serve_everybody(
    machine: Callable[[bool], Machine], answered: Callable[[Machine], Machine]
) -> None:
    outcome = answered(machine(False)).run()
    assert set(outcome.status) <= {"finished", "rejected"}
    for engine in outcome.simulation.cluster.engines:
        assert engine.memory.private == 0
        assert engine.memory.tree.locked == 0
        for reach in engine.hierarchy.reaches if engine.hierarchy else ():
            assert (reach.tier.arriving, reach.tier.tree.locked) == (0, 0)
