"""How evenly clients were served: shares, Jain's index, and who got ahead while others waited.

Service is counted as virtual token counters count it (Sheng et al., Fairness in serving large
language models, OSDI 2024): a prompt's tokens when it is admitted, and each token of its answer
twice, taken to come evenly from the first to the last.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.sim.metrics import Facts
from kvsim.sim.recorder import NEVER
from kvsim.units import Ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

PROMPT_WEIGHT, OUTPUT_WEIGHT = 1.0, 2.0
"""w_p and w_q of that paper."""
INSTANTS = 20_000
"""Looks at who is ahead: at every arrival, admission, first and last token if there are fewer."""
CLIENTS = 32
"""Those served most, who are compared with each other."""


def fairness(facts: Facts, now: Ns) -> dict[str, Any] | None:
    """Service by client, in weighted tokens; None where there are no two clients."""
    names = np.unique(facts.clients)
    if len(names) < 2:
        return None
    at = _instants(facts, now)
    whole = {name: _served(facts, facts.clients == name, at[-1:], now)[0] for name in names}
    total = np.array(list(whole.values()))
    most = sorted(whole, key=lambda name: -whole[name])
    apart = _widest(facts, most[:CLIENTS], at, now)
    squares = float((total * total).sum())
    return {
        "jain_index": float(total.sum()) ** 2 / (len(names) * squares) if squares else None,
        "largest_difference": apart,
        "service": {str(name): float(whole[name]) for name in most},
    }


def _instants(facts: Facts, now: Ns) -> "Ints":
    """When somebody's service or waiting changes, or some of these instants."""
    names = ("arrival", "admitted", "first_token", "finish")
    at = np.unique(np.concatenate([facts.requests[name] for name in names]))
    at = np.append(at[(at != NEVER) & (at < now)], now)
    every = -(-len(at) // INSTANTS)
    return at[::-every][::-1]


def _served(facts: Facts, mine: "Bools", at: "Ints", now: Ns) -> "Floats":
    """What requests have been served by each instant."""
    requests = {name: column[mine] for name, column in facts.requests.items()}
    admitted = requests["admitted"] != NEVER
    started = requests["first_token"] != NEVER
    done = requests["finish"] != NEVER
    first = requests["first_token"][started]
    last = np.where(done, requests["finish"], now)[started]
    tokens = np.where(done, requests["output_tokens"], requests["generated"])[started]
    pace = (tokens - 1) / np.maximum(last - first, 1)
    prompts = _until(requests["admitted"][admitted], requests["prompt_tokens"][admitted], at)
    begun, over = _until(first, pace, at), _until(last, pace, at)
    ramps = begun * at - _until(first, pace * first, at) - over * at + _until(last, pace * last, at)
    answers = _until(first, np.ones(len(first)), at) + ramps
    return PROMPT_WEIGHT * prompts + OUTPUT_WEIGHT * answers


def _until(when: "Ints", value: "Ints | Floats", at: "Ints") -> "Floats":
    """The sum of `value` of what has happened by each instant."""
    order = np.argsort(when, kind="stable")
    total = np.append(0.0, np.cumsum(value[order]))
    found: Floats = total[np.searchsorted(when[order], at, side="right")]
    return found


def _widest(facts: Facts, names: list[str], at: "Ints", now: Ns) -> float:
    """The most that one client got ahead of another while both had requests waiting throughout."""
    served = [_served(facts, facts.clients == name, at, now) for name in names]
    waiting = [_waits(facts, facts.clients == name, at) for name in names]
    widest = 0.0
    for one in range(len(names)):
        for other in range(one):
            both = waiting[one] & waiting[other]
            edges = np.flatnonzero(np.diff(both, prepend=False, append=False)).reshape(-1, 2)
            ahead = served[one] - served[other]
            for begin, end in edges.tolist():
                widest = max(widest, float(np.ptp(ahead[begin : end + 1])))
    return widest


def _waits(facts: Facts, mine: "Bools", at: "Ints") -> "Bools":
    """At which instants somebody of them is waiting for a first admission."""
    mine = mine & (facts.status != "rejected")
    arrival, admitted = (facts.requests[name][mine] for name in ("arrival", "admitted"))
    admitted = admitted[admitted != NEVER]
    come, gone = (_until(when, np.ones(len(when)), at) for when in (arrival, admitted))
    waits: Bools = come > gone
    return waits
