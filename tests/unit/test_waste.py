"""Is every byte of memory, at every instant, in one part, and the right one?"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from machine import BLOCK, Machine, Outcome
from machines import machines
from scenarios import document

from kvsim.policies.allocation.block_groups import BlockGroups
from kvsim.policies.allocation.reserve_max import ReserveMax
from kvsim.policies.allocation.reserve_oracle import ReserveOracle
from kvsim.policies.allocation.reserve_pow2 import ReservePow2
from kvsim.policies.allocation.state_slots import StateSlots
from kvsim.policies.allocation.virtual_memory import VirtualMemory
from kvsim.report import read
from kvsim.report.charts import draw
from kvsim.report.tables import facts
from kvsim.scenario.folder import write
from kvsim.scenario.load import parse
from kvsim.scenario.run import run
from kvsim.sim.policy import Allocation
from kvsim.sim.waste import PARTS, Grain, waste
from kvsim.units import MS

# A token is a byte, a step takes 10 ms.


def wasted(machine: Machine, end: int, start: int = 0) -> dict[str, float]:
    """Byte-steps by part, from one instant to another, in ms."""
    outcome = machine.run()
    return {part: share * machine.blocks * BLOCK * (end - start) / 10
            for part, share in told(outcome, machine, start, end).items()}  # fmt: skip


def told(outcome: Outcome, machine: Machine, start: int, end: int) -> dict[str, float]:
    engines = outcome.simulation.cluster.engines
    grains = [Grain.of(one.memory, machine.blocks * BLOCK) for one in engines]
    shares = waste(outcome.facts, grains, start * MS, end * MS)
    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    return shares


def test_a_request_in_blocks() -> None:
    """20 tokens of prompt in the first step, one more in each of 13: 20, 21, ..., 33 tokens.

    Two blocks hold 32 of them; the thirteenth takes a third one, of which 15 are never used.
    """
    machine = Machine(blocks=4, caching=False)
    machine.send(prompt=20, output=14)
    stored = sum(range(20, 34))
    assert wasted(machine, 140) == pytest.approx(
        {"states": stored, "cached": 0, "reserved": 13 * 32 - sum(range(20, 33)), "internal": 15,
         "unclaimed": 14 * 64 - 13 * 32 - 48}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("allocation", "room"), [(ReserveMax(), 50), (ReservePow2(), 36), (ReserveOracle(), 34)]
)
def test_a_request_in_a_piece(allocation: Allocation, room: int) -> None:
    """As above; 33 of the tokens reserved are used in the end. What the piece of 64 has besides is
    nobody's."""
    machine = Machine(blocks=4, allocation=allocation, max_context=50)
    machine.send(prompt=20, output=14)
    stored = sum(range(20, 34))
    assert wasted(machine, 140) == pytest.approx(
        {"states": stored, "cached": 0, "reserved": 14 * 33 - stored, "internal": 14 * (room - 33),
         "unclaimed": 14 * (64 - room)}
    )  # fmt: skip


@pytest.mark.parametrize(("allocation", "unit"), [(BlockGroups(2), 32), (VirtualMemory(), 64)])
def test_a_request_in_larger_units(allocation: Allocation, unit: int) -> None:
    """As above, up to 33 tokens: two groups from the last step on, or one page."""
    machine = Machine(blocks=16, allocation=allocation, caching=False)
    machine.send(prompt=20, output=14)
    found, stored = wasted(machine, 140), sum(range(20, 34))
    claimed = 13 * 32 + 64 if unit == 32 else 14 * 64
    used = 13 * 32 + 33 if unit == 32 else 14 * 33
    assert found == pytest.approx(
        {"states": stored, "cached": 0, "reserved": used - stored, "internal": claimed - used,
         "unclaimed": 14 * 256 - claimed}
    )  # fmt: skip


def test_states_in_slots() -> None:
    """One of three slots of 10 bytes is in use; the others are nobody's."""
    machine = Machine(blocks=4, allocation=StateSlots(3), state=10, caching=False)
    machine.send(prompt=16, output=1)
    assert wasted(machine, 10) == pytest.approx(
        {"states": 16 + 10, "cached": 0, "reserved": 0, "internal": 0, "unclaimed": 64 - 26}
    )


def test_a_part_of_the_run() -> None:
    """From 20 to 40 ms there are 22 and 23 tokens in two blocks, all of which are used later."""
    machine = Machine(blocks=4, caching=False)
    machine.send(prompt=20, output=14)
    found = wasted(machine, 40, 20)
    assert found == pytest.approx(
        {"states": 45, "cached": 0, "reserved": 64 - 45, "internal": 0, "unclaimed": 64}
    )


def test_what_is_kept_for_later() -> None:
    """A prompt of 32 takes one step and is kept; so are two blocks of four from 10 ms to 30 ms.
    The second one finds 16 of its 17 tokens and computes the last, in a block of its own."""
    machine = Machine(blocks=4)
    for prompt, at in ((32, "0 ms"), (17, "30 ms")):
        machine.send(prompt, 1, at=at, blocks=(7, 2), block_tokens=16)
    assert wasted(machine, 40) == pytest.approx(
        {"states": 32 + 17, "cached": 2 * 32 + 16, "reserved": 0, "internal": 15,
         "unclaimed": 4 * 64 - 32 - 17 - 80 - 15}
    )  # fmt: skip


def test_a_request_that_is_cut_short_would_have_used_its_room() -> None:
    machine = Machine(blocks=4, allocation=ReserveOracle(), step_by_step=True)
    machine.send(prompt=20, output=14)
    simulation = machine.build()
    simulation.run(horizon=50 * MS)
    shares = told(Outcome(simulation), machine, 0, 50)
    assert shares["states"] == pytest.approx(sum(range(20, 25)) / 320)
    assert shares["internal"] == pytest.approx(5 * 1 / 320)  # the last token is never stored


@given(machines())
@settings(deadline=None)
def test_all_memory_is_in_one_part(machine: Callable[[bool], Machine]) -> None:
    made = machine(False)
    outcome = made.run()
    end = int(outcome.facts.spans["end"].max(initial=0)) // MS + 1
    shares = told(outcome, made, 0, end)
    assert all(-1e-9 <= shares[part] <= 1 + 1e-9 for part in PARTS)
    steps = told(machine(True).run(), made, 0, end)
    assert shares == pytest.approx(steps, abs=1e-6)  # boundaries are whole ns in facts


def test_it_is_told_where_it_is_asked_for() -> None:
    asked = run(parse(document(measure={"waste": True}), "x")).summary["memory"]["waste"]
    assert set(asked) == set(PARTS)
    assert run(parse(document(), "x")).summary["memory"]["waste"] is None


def test_the_report_shows_it(tmp_path: Path) -> None:
    result = run(parse(document(measure={"waste": True}, policies={"allocation": "paged"}), "x"))
    folder = write(result, tmp_path / "run")
    charts = {chart.name: chart for section in draw(read(folder)).values() for chart in section}
    found, drawn = result.summary["memory"]["waste"], charts["waste"].figure
    assert drawn is not None
    assert [bar.x[0] for bar in drawn.data] == pytest.approx(
        [100 * found[part] for part in PARTS], rel=1e-3
    )
    assert "(paged)" in charts["waste"].finding
    (line,) = [phrases for label, phrases in facts(result.summary) if label == "KV waste"]
    assert line[0].startswith("token states ")
