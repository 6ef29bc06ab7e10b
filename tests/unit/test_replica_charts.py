"""Do the charts of replicas and hand-offs say what the facts say?"""

import pytest
from commands import kvsim

from kvsim.report import read
from kvsim.report.charts import draw
from kvsim.scenario import load
from kvsim.scenario.folder import write
from kvsim.scenario.run import run
from kvsim.units import SECOND

GIB = 2.0**30


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run over a prefill and a decode replica, and its charts by name."""
    result = run(load("disaggregated", ["workload.open_loop.requests=60"]))
    folder = write(result, tmp_path_factory.mktemp("charts") / "run")
    charts = {chart.name: chart for section in draw(read(folder)).values() for chart in section}
    return result, charts


def test_each_replica_has_a_line_in_each_panel(made):
    result, charts = made
    drawn = charts["replicas"].figure
    assert [line.name for line in drawn.data] == ["replica 0", "replica 1"] * 3
    assert {line.yaxis for line in drawn.data} == {"y", "y2", "y3"}
    spans = result.facts.spans
    for line in drawn.data[2:4]:  # running
        mine = spans["replica"] == int(line.name.split()[1])
        busy = ((spans["end"] - spans["start"]) * spans["running"])[mine].sum()
        mean = sum(line.y) / len(line.y)
        assert mean == pytest.approx(busy / spans["end"].max(), rel=1e-3)
    for line in drawn.data[4:]:
        mine = spans["replica"] == int(line.name.split()[1])
        held = (spans["kv_leased"] + spans["kv_cached"])[mine] / GIB
        assert 0 < max(line.y) <= held.max() * 1.001


def test_axes_say_what_they_count_and_in_what(made):
    layout = made[1]["replicas"].figure.layout
    titles = [axis.title.text for axis in (layout.yaxis, layout.yaxis2, layout.yaxis3)]
    assert titles == ["Waiting", "Running", "KV, GiB"]
    assert layout.xaxis.title.text == "Time since the start, s"
    assert made[1]["handoffs"].figure.layout.xaxis.title.text == "Time, ms"


def test_hand_offs_are_told_by_where_their_time_went(made):
    result, charts = made
    rows, chart = result.facts.handoffs, charts["handoffs"]
    assert f"99 % of {len(rows['landed'])} hand-offs" in chart.finding
    wire = next(line for line in chart.figure.data if line.name == "on the wire")
    slowest = (rows["landed"] - rows["began"]).max() / SECOND * 1000
    assert wire.x[-1] == pytest.approx(slowest, rel=1e-3)


def test_why_requests_were_preempted_is_said(tmp_path):
    done = kvsim(
        "run", "multiturn", "--out", tmp_path / "run", "--set", "workload.sessions.sessions=40",
        "--set", "cluster.memory.blocks=800",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "no room for the next tokens" in said or "no room for a prompt" in said
