"""Does each request get the objectives that were written for it, and does it meet them?"""

from fractions import Fraction

import pytest
import yaml
from machine import Affine, Machine
from scenarios import document, written

from kvsim.errors import InputError
from kvsim.policies.scheduler.vllm_v0 import VllmV0
from kvsim.scenario.load import dump, parse
from kvsim.scenario.run import run
from kvsim.sim.metrics import summarize
from kvsim.sim.objectives import Bound, Objectives, Targets
from kvsim.sim.tokens import Gaps
from kvsim.traces.request import Pause
from kvsim.units import MS, SECOND

INSTANT = Affine(base=0, per_token=MS)
"""A step takes 1 ms for each token it computes."""


def slo(machine, *targets):
    outcome = machine.run()
    now = outcome.simulation.env.now
    return summarize(outcome.facts, Objectives(targets), 0, None, now)["slo"]


def share(percent: int, limit: int) -> tuple[tuple[Fraction, int], ...]:
    return ((Fraction(percent, 100), limit),)


# Times between tokens


def test_a_prompt_beside_it_makes_one_token_late():
    machine = Machine(timing=INSTANT)
    machine.send(prompt=100, output=5)  # tokens at 100, 101, 102, 153, 154 ms
    machine.send(prompt=50, output=1, at="102 ms")
    gaps = Gaps(machine.run().facts)
    assert gaps.count.tolist() == [4, 0]
    assert gaps.over(MS - 1).tolist() == [4, 0]
    assert gaps.over(MS).tolist() == [1, 0]
    assert gaps.over(51 * MS).tolist() == [0, 0]
    # three of four are quick: 75 % keep within 1 ms, 76 % do not
    assert slo(machine, Targets(itl=share(75, MS)))["itl_attainment"] == 1
    assert slo(machine, Targets(itl=share(76, MS)))["itl_attainment"] == 1 / 2
    assert slo(machine, Targets(itl=share(76, MS)))["attainment"] == 1 / 2


def test_steps_that_grow_cross_a_limit_within_one_span():
    machine = Machine(timing=Affine(base=10 * MS, per_context=MS))
    machine.send(prompt=9, output=11)  # decodes read 10, 11, ... 19 tokens: 20 to 29 ms
    gaps = Gaps(machine.run().facts)
    assert [gaps.over(limit * MS).tolist() for limit in (19, 20, 24, 28, 29)] == [
        [10], [9], [5], [1], [0]]  # fmt: skip


def test_a_preemption_is_a_late_token_of_the_one_preempted():
    machine = Machine(blocks=8, caching=False)
    machine.send(prompt=48, output=50)
    machine.send(prompt=48, output=50)  # loses its memory at 170 ms, goes on at 510 ms
    gaps = Gaps(machine.run().facts)
    assert gaps.count.tolist() == [49, 49]
    assert gaps.over(10 * MS).tolist() == gaps.over(339 * MS).tolist() == [0, 1]
    assert gaps.over(340 * MS).tolist() == [0, 0]


def test_prompts_that_go_first_make_everybody_late_once():
    machine = Machine(timing=INSTANT, scheduler=VllmV0())
    machine.send(prompt=100, output=10)  # first token at 100 ms
    machine.send(prompt=50, output=4, at="100 ms")  # its prompt holds the other's decodes
    machine.send(prompt=30, output=3, at="120 ms")  # and so does this one, after it
    outcome = machine.run()
    assert outcome.ms("first_token") == [100, 150, 180]
    gaps = Gaps(outcome.facts)
    # the next step, of three decodes, ends at 183 ms: 83 ms for the first, 33 for the second
    assert gaps.over(32 * MS).tolist() == [1, 1, 0]
    assert gaps.over(33 * MS).tolist() == gaps.over(82 * MS).tolist() == [1, 0, 0]
    assert gaps.over(83 * MS).tolist() == [0, 0, 0]


def test_a_tool_call_is_no_time_between_tokens():
    machine = Machine(timing=INSTANT)
    machine.send(prompt=32, output=10, pauses=(Pause(after=4, duration=SECOND, returned=20),))
    gaps = Gaps(machine.run().facts)
    assert gaps.count.tolist() == [3 + 5]
    assert gaps.over(MS).tolist() == [0]


def test_a_hand_off_is_a_time_between_tokens():
    machine = Machine(replicas=2, roles=("prefill", "decode"), wire=1e5)
    machine.send(prompt=100, output=5)  # 100 bytes at 10 us each: 1 ms; a step takes 10 ms
    gaps = Gaps(machine.run().facts)
    assert gaps.count.tolist() == [4]
    assert gaps.over(10 * MS).tolist() == [1]
    assert gaps.over(11 * MS).tolist() == [0]


# End to end


def test_the_whole_answer_and_that_per_token():
    machine = Machine()  # 10 ms a step
    machine.send(prompt=10, output=5)  # 50 ms, 10 ms a token
    machine.send(prompt=10, output=2, at="25 ms")  # from 30 to 50 ms: 25 ms, 12.5 ms a token
    assert slo(machine, Targets(e2e=49 * MS))["e2e_attainment"] == 1 / 2
    assert slo(machine, Targets(e2e=50 * MS))["e2e_attainment"] == 1
    assert slo(machine, Targets(normalized=12 * MS))["normalized_attainment"] == 1 / 2
    assert slo(machine, Targets(normalized=12_500_000))["attainment"] == 1


# Who has which


def test_the_first_that_names_a_request_counts():
    machine = Machine()
    machine.send(prompt=1000, output=3, client="a")
    machine.send(prompt=100, output=3, client="a")
    machine.send(prompt=100, output=3, client="b")
    long = Targets(ttft=SECOND, prompt=Bound(">", 999))
    found = slo(machine, Targets(ttft=SECOND), long, Targets(ttft=1, client="a"))
    assert found["by_class"] == {
        "prompt > 999": {"requests": 1, "attainment": 1},
        "client a": {"requests": 1, "attainment": 0},
        "others": {"requests": 1, "attainment": 1},
    }
    assert found["attainment"] == 2 / 3


@pytest.mark.parametrize(
    ("sign", "value", "held"),
    [(">", 2, [3]), (">=", 2, [2, 3]), ("<", 2, [1]), ("<=", 2, [1, 2]), ("=", 2, [2])],
)
def test_conditions_on_numbers(sign, value, held):
    machine = Machine()
    for output in (1, 2, 3):
        machine.send(prompt=10, output=output)
    facts = machine.run().facts
    holds = Targets(output=Bound(sign, value)).holds(facts)
    assert facts.requests["output_tokens"][holds].tolist() == held


def test_one_class_alone_is_none():
    machine = Machine()
    machine.send(prompt=10, output=2)
    assert slo(machine, Targets(ttft=MS))["by_class"] == {}


# Scaled from what a request alone takes


ALONE = document(
    workload={"open_loop": {"rate": "0.01/s", "requests": 3, "input_tokens": 5000,
                            "output_tokens": 40}},
    policies={"scheduler": {"chunked_prefill": {"tokens": 2048}}},
)  # fmt: skip


@pytest.mark.parametrize("name", ["ttft", "tpot", "e2e", "normalized"])
@pytest.mark.parametrize("model", ["llama-3.1-8b", "gpt-oss-20b"])
def test_alone_a_request_takes_once_what_it_takes_alone(name, model):
    """5000 tokens in three chunks, then 39 steps; to the nanosecond, with windows and without."""

    def met(times):
        asked = {**ALONE, "model": model, "slo": {name: f"{times}x"}}
        return run(parse(asked, "x")).summary["slo"][f"{name}_attainment"]

    assert met(1.000000001) == 1
    assert met(0.999999) == 0


def test_a_busy_instance_takes_more():
    load = {"open_loop": {"rate": "30/s", "requests": 100, "input_tokens": 2000,
                          "output_tokens": 100}}  # fmt: skip
    tight, loose = (
        run(parse(document(workload=load, slo={"e2e": times}), "x")).summary["slo"]
        for times in ("1.2x", "100x")
    )
    assert tight["attainment"] < 0.5
    assert loose["attainment"] == 1


# As they are written


def test_a_list_of_classes_is_read_and_shown():
    text = """
    - {prompt: "> 8192", ttft: 8 s, tpot: 100 ms}
    - {class: chat, turn: 0, ttft: 5x, itl_p99: 80 ms}
    - {client: a, output: <= 10, e2e: 1.5x, normalized: 50 ms}
    - {ttft: 2 s, itl_max: 1 s}
    """
    scenario = parse(document(slo=yaml.safe_load(text)), "x")
    shown = yaml.safe_load(dump(scenario))
    assert shown["slo"][1]["turn"] == "= 0"
    assert shown["slo"][2]["e2e"] == "1.5x"
    assert parse(shown, "x") == scenario


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ttft": "0x"}, "slo.ttft: '0x' is nothing"),
        ({"ttft": "5 y"}, "slo.ttft: '5 y' has the unit 'y'"),
        ({"itl_p98": "5 ms"}, "unknown key 'slo.itl_p98'. Did you mean 'itl_p9"),
        ({"itl_p99": "5x"}, "slo.itl_p99: '5x' has the unit 'x'"),
        ([{"prompt": "long"}], "slo.0.prompt: 'long' is no condition"),
        ([{"ttft": "1 s"}, {"tpot": "1 s"}], "slo: entries 0 and 1 are both for 'others'"),
    ],
)
def test_what_is_wrong_is_said(given, said):
    with pytest.raises(InputError) as caught:
        parse(document(slo=given), "x")
    assert said in str(caught.value)


def test_goodput_stops_early_and_right_with_any_objective(tmp_path):
    from kvsim.scenario import load
    from kvsim.sweep.judge import judged

    text = dump(parse(document(
        workload={"open_loop": {"rate": "20/s", "requests": 4000, "input_tokens": 1000,
                                "output_tokens": 20}},
        slo=[{"prompt": "> 10", "itl_p90": "30 ms", "e2e": "4x"}]), "x"))  # fmt: skip
    scenario = load(str(written(tmp_path, text)))
    whole = judged(scenario, 0.9)
    early = judged(scenario, 0.9, whole.requests)
    assert early.early
    assert early.met == whole.met
