"""What can be known without a GPU, beside what comes out: fills theory.md.

    python docs/experiments/theory.py

Textbook queues, fairness, transfers, failures, and spans beside steps; a minute and a half. The
machines are those of the tests (`tests/queues.py`, `tests/machine.py`). The text around the tables
is written by hand.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from machine import Affine, Machine
from queues import STEP, apart, binned, interval, one_server, pollaczek_khinchine, queue, seats

from kvsim.policies import answers
from kvsim.policies.scheduler.srtf import ShortestRemaining
from kvsim.scenario.load import load
from kvsim.scenario.run import Result, run
from kvsim.sim.recorder import NEVER
from kvsim.traces.request import Request
from kvsim.units import MS

PAGE = Path(__file__).with_suffix(".md")
Rows = Iterable[Iterable[str]]
WIRE, LATENCY = 10**6, 2 * MS
"""Bytes per second, and ns, of the wire between the two replicas of a hand-off."""
LOST = {
    "one of two unified replicas": ("failure", ()),
    "the prefill instance fails": (
        "disaggregated", ("events=[{at: 20 s, replica: 0, fail: true, back_after: 10 s}]",)
    ),
    "the decode instance fails": (
        "disaggregated", ("events=[{at: 20 s, replica: 1, fail: true, back_after: 10 s}]",)
    ),
    "DRAM and SSD, one of four fails": (
        "dram-ssd", ("events=[{at: 60 s, replica: 0, fail: true, back_after: 10 s}]",)
    ),
}  # fmt: skip


def waits() -> Iterator[tuple[str, ...]]:
    """Mean waiting time, in theory and here."""
    for load_ in (0.3, 0.5):
        mean, half = interval(one_server(load_, 250_000, seed=2)[1])
        yield told(f"M/D/1, load {load_}", pollaczek_khinchine(load_), mean, half)
    for servers in (2, 4):
        found, plain, theory = seats(servers, 0.5)
        differs, half = interval(found - plain)
        half += STEP  # an answer begins where a step does, so late at most
        yield told(f"M/M/{servers}, load 0.5", theory, theory + differs, half)


def told(name: str, theory: float, mean: float, half: float) -> tuple[str, ...]:
    """Milliseconds, and the 99 % interval."""
    return (name, f"{theory / MS:.4f} ms", f"{mean / MS:.4f} ms", f"± {half / theory:.2%}",
            "yes" if abs(mean - theory) <= half else "**no**")  # fmt: skip


def orders() -> Iterator[tuple[str, ...]]:
    """What schedulers promise."""
    worse = 0
    for seed in range(300):
        random = Random(seed)
        asked = [(random.randint(0, 400), random.randint(1, 60)) for _ in range(25)]
        requests = [Request(n, at * MS, 1, tokens) for n, (at, tokens) in enumerate(asked)]
        first = queue(requests, 1, MS).run()["finish"]
        shortest = queue(requests, 1, MS, ShortestRemaining(sequences=1)).run()["finish"]
        worse += sum(shortest) > sum(first)
    yield "SRTF's mean latency above FCFS's, of 300 workloads", "0", str(worse)
    widest, bound = apart()
    yield "VTC: two clients' service apart, tokens", f"at most {bound:,.0f}", f"{widest:,.0f}"
    for bins in (1, 2, 4, 8):
        found, expected = binned(bins)
        off = f"{found:.5f} ({found / expected - 1:+.1%})"
        yield f"multi-bin, {bins} bins: requests a step", f"{expected:.5f}", off


def transfers() -> Iterator[tuple[str, ...]]:
    """Hand-offs between a prefill and a decode instance."""
    for name, sizes, theory in (
        ("100 bytes, idle: latency + bytes / bandwidth", (100,), LATENCY + 100 * 10**9 // WIRE),
        ("3,000 bytes, idle", (3000,), LATENCY + 3000 * 10**9 // WIRE),
        ("2 x 3,000 bytes at once: half the bandwidth each", (3000,) * 2,
         LATENCY + 6000 * 10**9 // WIRE),
        ("5 x 1,000 bytes at once", (1000,) * 5, LATENCY + 5000 * 10**9 // WIRE),
    ):  # fmt: skip
        machine = Machine(
            replicas=2, roles=("prefill", "decode"), timing=Affine(base=10 * MS), wire=WIRE,
            wire_latency=LATENCY,
        )  # fmt: skip
        for size in sizes:
            machine.send(size, 5)
        rows = machine.run().facts.handoffs
        took = sorted({int(at) for at in rows["landed"] - rows["began"]})
        yield name, f"{theory:,} ns", ", ".join(f"{at:,} ns" for at in took)


def failures() -> Iterator[tuple[str, ...]]:
    """Whoever was there when a replica was lost."""
    for name, (scenario, changes) in LOST.items():
        done = run(load(scenario, changes))
        asked = done.summary["requests"]
        yield (
            name,
            str(asked["arrived"]),
            str(asked["finished"]),
            str(asked["rejected"]),
            str(asked["arrived"] - asked["finished"] - asked["rejected"]),
            *moved(done),
        )


def moved(done: Result) -> tuple[str, str]:
    """Bytes that links have carried, and bytes of transfers that have landed over them."""
    links = done.machine.room.fabric.links
    carried = sum(link.bytes for link in links.values())
    facts, landed = done.facts, 0
    for rows, paths in ((facts.transfers, facts.paths), (facts.handoffs, facts.wires)):
        lengths = np.array([len(path) for path in paths], dtype=int)[rows["path"]]
        landed += int((rows["bytes"] * lengths)[rows["landed"] != NEVER].sum())
    return f"{carried:,}", f"{landed:,}"


def schedulers() -> Iterator[tuple[str, ...]]:
    """Spans beside steps, on a chat workload short of memory."""
    changes = ("workload.sessions.sessions=60", "cluster.memory.blocks=1500")
    for name in answers("scheduler").names():
        whole, single = (
            run(load("multiturn", (*changes, f"policies.scheduler={name}")), step_by_step=by_step)
            for by_step in (False, True)
        )
        same = all(
            whole.facts.requests[column].tolist() == values.tolist()
            for column, values in single.facts.requests.items()
        )
        counts = (result.summary["simulator"]["spans"] for result in (whole, single))
        yield (name, *(f"{count:,}" for count in counts), "yes" if same else "**no**")


TABLES = {
    "waits": ("waiting time, mean|theory|kvsim|99 % interval|theory inside", waits),
    "orders": ("what|theory|kvsim", orders),
    "transfers": ("hand-off|max-min|kvsim", transfers),
    "failures": (
        "what is lost|arrived|finished|rejected|unaccounted|bytes over links|bytes landed", failures
    ),
    "schedulers": ("scheduler|spans|steps|every request the same to the ns", schedulers),
}  # fmt: skip


def table(head: str, rows: Rows) -> str:
    """A Markdown table."""
    rule = "|".join(["---", *["--:"] * head.count("|")])
    return "\n".join([f"|{head}|", f"|{rule}|", *(f"|{'|'.join(row)}|" for row in rows)])


def main() -> None:
    """Make all tables, write the page."""
    text = PAGE.read_text(encoding="utf-8")
    for mark, (head, rows) in TABLES.items():
        made = table(head, rows())
        print(made)
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.S)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
