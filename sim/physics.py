"""Laws that hold in every run, whatever the policies: checked at its end, never switched off."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kvsim.sim.metrics import Facts, ttft, ttft_parts
from kvsim.sim.recorder import NEVER, Recorder
from kvsim.units import SECOND

SLACK = 1 + 1e-6
"""Rounding of a step's FLOPs, bytes and duration to integers."""


class PhysicsError(AssertionError):
    """The machine broke a law: a bug in kvsim or in a policy, never in the input."""


class Peak(NamedTuple):
    """What a replica can do at most, all its GPUs together."""

    flops: float
    """FLOP/s."""
    bandwidth: float
    """HBM bytes/s."""


def check(facts: Facts, recorder: Recorder, peaks: Sequence[Peak]) -> None:
    """Raise PhysicsError unless nothing was lost, made, or faster than the replicas' `peaks`."""
    _nothing_is_lost(facts, recorder)
    _time_goes_forward(facts)
    _nothing_beats_the_hardware(facts, peaks)


def _nothing_is_lost(facts: Facts, recorder: Recorder) -> None:
    known = len(facts.status)
    if recorder.arrived != known:
        raise PhysicsError(f"{recorder.arrived} requests arrived, {known} are accounted for")
    made = int((facts.spans["sampled"] * facts.spans["steps"]).sum())
    taken = int(facts.requests["generated"].sum())
    if made != taken:
        raise PhysicsError(f"steps made {made} tokens, requests got {taken}")
    done = facts.status == "finished"
    short = done & (facts.requests["generated"] != facts.requests["output_tokens"])
    if short.any():
        raise PhysicsError(f"request {_first(facts, short)} finished with a wrong token count")


def _time_goes_forward(facts: Facts) -> None:
    requests, spans = facts.requests, facts.spans
    stages = [requests[name] for name in ("arrival", "admitted", "first_token", "finish")]
    for earlier, later in pairwise(stages):
        wrong = (later != NEVER) & (later < earlier)
        if wrong.any():
            raise PhysicsError(f"request {_first(facts, wrong)} goes backwards in time")
    started = requests["first_token"] != NEVER
    parts = ttft_parts(requests)
    for name, part in parts.items():
        if (part[started] < 0).any():
            raise PhysicsError(f"the {name} part of a TTFT is negative")
    if (sum(parts.values())[started] != ttft(requests)[started]).any():  # type: ignore[index]
        raise PhysicsError("the parts of a TTFT do not add up")
    order = np.lexsort((spans["start"], spans["replica"]))
    same = spans["replica"][order][1:] == spans["replica"][order][:-1]
    if (same & (spans["start"][order][1:] < spans["end"][order][:-1])).any():
        raise PhysicsError("a replica took two steps at once")


def _nothing_beats_the_hardware(facts: Facts, peaks: Sequence[Peak]) -> None:
    spans = facts.spans
    duration = (spans["end"] - spans["start"] + 1) / SECOND
    for what, limits in (
        ("flops", [p.flops for p in peaks]),
        ("bytes", [p.bandwidth for p in peaks]),
    ):
        rate = spans[what] / duration
        excess = rate / np.array(limits)[spans["replica"]]
        if (excess > SLACK).any():
            worst = int(np.argmax(excess))
            limit = limits[spans["replica"][worst]]
            raise PhysicsError(f"a step did {rate[worst]:.4g} {what}/s; the peak is {limit:.4g}")


def _first(facts: Facts, which: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    return int(facts.requests["id"][which][0])
