"""Do requests that are suspended, and hold all the memory, go on?"""

from machine import Affine, Machine

from kvsim.policies.scheduler.fastswitch import FastSwitch
from kvsim.sim.batch import Windowed
from kvsim.units import MS


def test_those_who_come_last_make_room_for_the_one_whose_turn_it_is() -> None:
    """Six requests take turns until nobody's next token fits: found by a random machine."""
    machine = Machine(
        blocks=45, timing=Affine(base=MS), scheduler=FastSwitch(64, 1, quantum=1), caching=False,
        windows=(Windowed(64, 8, False),), sights=(None, 0),
    )  # fmt: skip
    for prompt, output in ((1, 1), (289, 18), (1, 18), (1, 18), (1, 18), (129, 17), (2, 17)):
        machine.send(prompt, output)
    outcome = machine.run()
    assert outcome.status == ["finished"] * 7
    assert sum(outcome["preemptions"]) > 0
