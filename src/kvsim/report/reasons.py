"""Why a request was slow, in words: a pure function of its row and of what was usual."""

from collections.abc import Mapping
from dataclasses import dataclass

from kvsim.report import words
from kvsim.units import SECOND

MAIN = 0.5
"""A part that takes at least this share of TTFT is named alone; otherwise the two largest are."""
UNUSUAL = 1.5
"""A duration this many times the median is worth a word."""
LONG = 2.0
"""A prompt or an answer with this many times the median tokens is called long."""
BRIEF = 0.1
"""Parts below this share of TTFT are never named."""
WHOLE = 0.99
"""A part with at least this share of TTFT is all of it."""
PARTS = ("queue", "load", "prefill", "transfer", "other")
TIERS = {"hbm": "HBM", "dram": "DRAM", "ssd": "SSD", "remote": "the remote pool"}


@dataclass(frozen=True)
class Context:
    """What was usual in the run, and what went on around one request. None: not known."""

    computed: float | None = None
    """Median tokens prefilled per request: prompt less hits."""
    output: float | None = None
    """Median output tokens."""
    ttft: float | None = None
    """Median TTFT in ns."""
    tpot: float | None = None
    """Median TPOT in ns."""
    ahead: int | None = None
    """Requests that its replica admitted while it waited."""
    steps: int | None = None
    """Steps with prefill work on its replica, from its admission to its first token."""
    end: int | None = None
    """When the run ended, in ns."""
    answers: float | None = None
    """Mean number of answers that were written at once while this one was."""
    mixed: float | None = None
    """Share of the time of its answer in steps that also prefilled prompts."""


def reason(row: Mapping[str, object], context: Context | None = None) -> str:
    """Why the request of this requests.parquet row was slow, or what became of it."""
    context = context or Context()
    status = row.get("status")
    if status == "rejected":
        why = row.get("reason")
        return f"rejected: {why}" if isinstance(why, str) and why else "rejected"
    if _number(row, "first_token") is None:
        return _unserved(row, context)
    found = _first_token(row, context)
    found += _later(row, context, told="; ".join(found))
    if status == "running":
        found.append("was still running when the run ended")
    return "; ".join(found)


def pace_reason(row: Mapping[str, object], context: Context) -> str:
    """Why the answer of this requests.parquet row came slowly, token by token."""
    found = [*_stops(row)]
    if context.mixed and context.mixed >= BRIEF:
        found.append(f"{words.percent(context.mixed)} of it in steps that also prefilled prompts")
    others = round((context.answers or 1.0) - 1)
    if others:
        found.append(f"written beside {words.plural(others, 'other answer')} on average")
    return "; ".join(found) or "nothing unusual"


def ttft(row: Mapping[str, object]) -> float | None:
    """First token minus arrival in ns; None without a first token."""
    first, arrival = _number(row, "first_token"), _number(row, "arrival")
    return None if first is None or arrival is None else first - arrival


def tpot(row: Mapping[str, object]) -> float | None:
    """Time between tokens in ns, without tool calls; None for one token or an unfinished answer."""
    first, finish = _number(row, "first_token"), _number(row, "finish")
    output = _number(row, "output_tokens") or 0
    if first is None or finish is None or output < 2:
        return None
    return (finish - first - (_number(row, "paused") or 0)) / (output - 1)


def computed(row: Mapping[str, object]) -> float | None:
    """Prompt tokens that no cache held, so that they were prefilled."""
    prompt = _number(row, "prompt_tokens")
    return None if prompt is None else prompt - sum(_hits(row).values())


def _number(row: Mapping[str, object], name: str) -> float | None:
    return words.known(row.get(name))


def _time(ns: float) -> str:
    return words.duration(ns / SECOND)


def _hits(row: Mapping[str, object]) -> dict[str, float]:
    return {tier: _number(row, f"hit_{tier}") or 0.0 for tier in TIERS}


def _unserved(row: Mapping[str, object], context: Context) -> str:
    """What is known of a request without a first token."""
    arrival, admitted = _number(row, "arrival"), _number(row, "admitted")
    if admitted is None:
        waited = ""
        if context.end is not None and arrival is not None:
            waited = f" after {_time(context.end - arrival)}"
        return f"was still in the queue{_behind(context)} when the run ended{waited}"
    after = "" if arrival is None else f" {_time(admitted - arrival)} after it arrived"
    return f"was admitted{after}, and the run ended before its first token"


def _behind(context: Context) -> str:
    return f" behind {words.plural(context.ahead, 'request')}" if context.ahead else ""


def _first_token(row: Mapping[str, object], context: Context) -> list[str]:
    """Where the time to the first token went, largest part first."""
    total = ttft(row)
    if not total:
        return ["got its first token at once"] if total == 0 else []
    parts = {name: _number(row, name) or 0.0 for name in PARTS}
    largest = sorted(PARTS, key=lambda name: -parts[name])
    named = largest[:1] if parts[largest[0]] >= MAIN * total else largest[:2]
    found = [
        _SENTENCES[name](row, _share(parts[name], total), context)
        for name in named
        if parts[name] >= BRIEF * total
    ]
    return found or [f"first token after {_time(total)}"]


def _share(part: float, total: float) -> str:
    return _time(part) if part >= WHOLE * total else f"{_time(part)} of {_time(total)}"


def _queue(row: Mapping[str, object], took: str, context: Context) -> str:
    return f"waited {took} in the queue{_behind(context)}"


def _load(row: Mapping[str, object], took: str, context: Context) -> str:
    hits = {tier: held for tier, held in _hits(row).items() if held and tier != "hbm"}
    if not hits:
        return f"waited {took} for KV on its way"
    source = " and ".join(TIERS[tier] for tier in hits)
    return f"waited {took} for {words.tokens(sum(hits.values()))} of KV from {source}"


def _prefill(row: Mapping[str, object], took: str, context: Context) -> str:
    tokens = computed(row)
    if tokens is None:
        return f"prefill took {took}"
    steps = f" in {words.plural(context.steps, 'step')}" if context.steps else ""
    if context.computed and tokens >= LONG * context.computed:
        return f"long prompt: {words.tokens(tokens)} prefilled{steps}, {took}"
    return f"prefill of {words.tokens(tokens)}{steps} took {took}"


def _transfer(row: Mapping[str, object], took: str, context: Context) -> str:
    prompt = _number(row, "prompt_tokens")
    kv = "its KV" if prompt is None else f"KV of {words.tokens(prompt)}"
    return f"handing {kv} to the decode replica took {took}"


def _other(row: Mapping[str, object], took: str, context: Context) -> str:
    preempted = _preempted(row)
    return f"lost {took} " + (f"to being {preempted}" if preempted else "outside queue and steps")


def _preempted(row: Mapping[str, object]) -> str:
    """How often a request was preempted and what that cost; nothing if it was not."""
    preemptions, again = _number(row, "preemptions"), _number(row, "recomputed")
    lost = f", {words.tokens(again)} computed again" if again else ""
    return f"preempted {words.times(preemptions)}{lost}" if preemptions else ""


_SENTENCES = {
    "queue": _queue,
    "load": _load,
    "prefill": _prefill,
    "transfer": _transfer,
    "other": _other,
}


def _stops(row: Mapping[str, object]) -> list[str]:
    """What held a request up after its admission."""
    preempted, paused = _preempted(row), _number(row, "paused")
    pause = f"paused {_time(paused)} for tool calls" if paused else ""
    return [stop for stop in (preempted, pause) if stop]


def _later(row: Mapping[str, object], context: Context, told: str) -> list[str]:
    """What else was unusual and is not in `told`: stops, a slow pace, a long answer."""
    found = [stop for stop in _stops(row) if stop not in told]
    pace = tpot(row)
    if pace and context.tpot and pace >= UNUSUAL * context.tpot:
        ratio = words.digits(pace / context.tpot, 2)
        found.append(f"a token every {_time(pace)}, {ratio} times the median")
    output = _number(row, "output_tokens")
    if output and context.output and output >= LONG * context.output:
        found.append(f"long answer: {words.tokens(output)}")
    return found
