"""Is each client's service what its tokens weigh, and is being ahead counted while both wait?"""

import json

import pytest
from machine import Affine, Machine
from runfolder import write_run

from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.policies.scheduler.vtc import VTC
from kvsim.report import read
from kvsim.report.charts import draw
from kvsim.sim.fairness import fairness
from kvsim.units import MS

STEP = Affine(base=10 * MS)


def found(machine):
    outcome = machine.run()
    return fairness(outcome.facts, outcome.simulation.env.now)


def test_prompts_count_once_and_answers_twice():
    machine = Machine(timing=STEP)
    machine.send(prompt=100, output=10, client="a")  # 100 + 20
    machine.send(prompt=10, output=15, client="b")  # 10 + 30
    fair = found(machine)
    assert fair["service"] == pytest.approx({"a": 120, "b": 40})
    assert fair["jain_index"] == pytest.approx(160**2 / (2 * (120**2 + 40**2)))
    assert fair["largest_difference"] == 0  # nobody waited


def test_one_client_alone_is_not_compared():
    machine = Machine(timing=STEP)
    machine.send(prompt=100, output=10, client="a")
    assert found(machine) is None


def crowd(scheduler):
    """One seat; four requests of client a come before four of b; each is worth 10 + 2."""
    machine = Machine(timing=STEP, scheduler=scheduler)
    for client in "aaaabbbb":
        machine.send(prompt=10, output=1, client=client)
    return found(machine)


def test_whoever_is_served_while_both_wait_gets_ahead():
    # First come, first served: all of a's go first. Both wait until a's last is admitted, and by
    # then a has been served its four, 10 each, and three tokens. Its first was admitted at 0 ms:
    # what it got with that is where the count begins; the last token of its third comes with the
    # admission of its fourth.
    assert crowd(ChunkedPrefill(sequences=1))["largest_difference"] == 3 * (10 + 2)
    # In turns: a is ahead by 10 when it is admitted, and by 2 when b is, as its token came then.
    assert crowd(VTC(sequences=1))["largest_difference"] == 10 - 2


def test_the_paper_s_bound_holds_for_its_scheduler():
    """2 max(w_p longest prompt, w_q tokens in memory): here 2 max(400, 2 x 4 x 420)."""
    machine = Machine(timing=Affine(base=MS), scheduler=VTC(sequences=4))
    for number in range(200):
        a = number % 2
        machine.send(prompt=400 if a else 50, output=20 if a else 150, client="ab"[a])
    assert 0 < found(machine)["largest_difference"] <= 2 * 2 * 4 * 420


def test_the_page_has_a_bar_for_each_client(tmp_path):
    folder = write_run(tmp_path, requests=5)
    summary = json.loads((folder / "summary.json").read_text())
    assert "Clients" not in draw(read(folder))
    served = {f"c{number}": 30.0 - number for number in range(30)}
    summary["fairness"] = {"jain_index": 0.9, "largest_difference": 500.0, "service": served}
    (folder / "summary.json").write_text(json.dumps(summary))
    (chart,) = draw(read(folder))["Clients"]
    assert "Jain's index is 0.900; one got up to 500 tokens ahead" in chart.finding
    assert chart.figure.data[0].y[-1] == "6 others"
    assert sum(chart.figure.data[0].x) == pytest.approx(sum(served.values()))
