"""Does every eviction policy keep its promises, whatever happens to the tier?

Nothing to add for a new policy: the registry is asked which there are.
"""

import gc
from random import Random
from types import FunctionType, ModuleType
from typing import Any

import pytest
from machine import Machine
from tier import Node, Tier, evictable

from kvsim.errors import InputError
from kvsim.policies import answers
from kvsim.sim.hitrate import Lookups
from kvsim.sim.metrics import Facts
from kvsim.sim.policy import Eviction

REGISTRY = answers("eviction")
POLICIES = REGISTRY.names()
REAL = [name for name in POLICIES if not REGISTRY.describe(name).needs]
SEEDS = range(3)


@pytest.fixture(params=POLICIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tier(name: str, seed: int = 0, **more: Any) -> Tier:
    return Tier(REGISTRY.make(name), Random(seed), **more)


@pytest.mark.parametrize("flat", [False, True], ids=["tree", "flat"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_victim_is_here_and_may_go_and_none_means_nothing_may(name, seed, flat) -> None:
    tried = tier(name, seed, flat=flat)
    for _ in range(300):
        tried.step()  # asserts it each time room is made, and that asking twice changes nothing
    assert tried.log


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_leaves_in_the_end_and_once(name, seed) -> None:
    tried = tier(name, seed)
    for _ in range(200):
        tried.step()
    tried.empty()
    assert not tried.nodes
    assert tried.policy.victim(evictable) is None


def test_an_empty_tier_has_no_victim(name) -> None:
    assert REGISTRY.make(name).victim(evictable) is None


def test_what_is_locked_stays(name) -> None:
    tried = tier(name)
    for _ in range(20):
        tried.look_up()
    assert all(node.locks for node in tried.nodes)
    assert tried.policy.victim(evictable) is None


def test_what_was_locked_goes_when_it_is_released(name) -> None:
    tried = tier(name)
    for _ in range(20):
        tried.look_up()
    assert tried.policy.victim(evictable) is None
    tried.let_go()
    free = [node for node in tried.nodes if evictable(node)]
    while not free:
        tried.let_go()
        free = [node for node in tried.nodes if evictable(node)]
    assert tried.policy.victim(evictable) in free


def test_a_path_leaves_from_its_end(name) -> None:
    tried = tier(name)
    leaf = tried.insert(tried.root)
    for _ in range(9):
        leaf = tried.insert(leaf)
        tried.held = [leaf]
        node = leaf.parent
        while node is not tried.root:
            assert node is not None
            node.locks, node = 1, node.parent
    tried.let_go()
    depths = []
    while tried.nodes:
        tried.make_room()
        depths = [depth for _, depth in tried.log]
    assert depths == sorted(depths, reverse=True)


def test_both_parts_of_a_split_segment_leave_the_tail_first(name) -> None:
    tried = tier(name)
    for _ in range(3):
        tried.held.append(tried.insert(tried.root))
    for _ in range(3):
        tried.let_go()
    tail = next(node for node in tried.nodes if node.tokens > 1)
    head = tried.split(tail, 1)
    heads, tails = (head.key, head.depth), (tail.key, tail.depth)
    tried.empty()
    assert tried.log.index(tails) < tried.log.index(heads)
    assert len(tried.log) == 4


def test_a_split_while_locked_is_released_in_both_parts(name) -> None:
    tried = tier(name)
    leaf = tried.insert(tried.root)
    leaf.tokens = 10
    tried.held.append(leaf)
    tried.split(leaf, 4)
    assert tried.policy.victim(evictable) is None
    tried.empty()
    assert len(tried.log) == 2


@pytest.mark.parametrize("flat", [False, True], ids=["tree", "flat"])
def test_the_same_moves_have_the_same_victims(name, flat) -> None:
    """Whatever the hashes of segments, and with another tier's policy at work in between."""
    alone, first, second = (tier(name, 7, flat=flat, salt=salt) for salt in (0, 0, 1))
    for _ in range(300):
        alone.step()
    for _ in range(300):
        first.step()
        second.step()
    assert alone.log == first.log == second.log


@pytest.mark.parametrize("flat", [False, True], ids=["tree", "flat"])
def test_what_has_left_is_forgotten(name, flat) -> None:
    tried = tier(name, flat=flat)
    for _ in range(400):
        tried.step()
    tried.empty()
    gc.collect()
    assert not list(tried.alive)


def test_books_do_not_grow_with_time(name) -> None:
    policy, sizes = REGISTRY.make(name), []
    tried = Tier(policy, Random(0), flat=True)
    for _ in range(4):
        for _ in range(600):
            tried.now += 1000
            tried.held.append(tried.insert(tried.root))
            if len(tried.nodes) > 30:
                tried.make_room()
            tried.let_go()
        while len(tried.nodes) > 20:
            tried.make_room()
        sizes.append(_reachable(policy))
    assert max(sizes[1:]) < 1.5 * sizes[0] + 300


def _reachable(policy: Eviction) -> int:
    """Objects that hang from a policy, segments and code apart."""
    seen: dict[int, object] = {}
    stack: list[object] = [policy]
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType | Node):
            continue
        seen[id(one)] = one
        stack.extend(gc.get_referents(one))
    return len(seen)


def test_asking_leaves_segments_as_they_were(name) -> None:
    tried = tier(name, 1)
    for _ in range(100):
        tried.step()
    before = {node: dict(vars(node)) for node in tried.nodes}
    tried.policy.victim(evictable)
    assert before == {node: dict(vars(node)) for node in tried.nodes}


@pytest.mark.parametrize("name", REAL)
def test_spans_equal_steps_with_it(name) -> None:
    def run(step_by_step: bool) -> dict[str, list[int]]:
        machine = Machine(blocks=40, step_by_step=step_by_step)
        random = Random(3)
        for number in range(40):
            head = 10_000 * random.randrange(3)
            runs = (head, 3, head + 1000 + 100 * random.randrange(9), 8)
            machine.send(100, 20, f"{70 * number} ms", blocks=runs, block_tokens=16)
        simulation = machine.build()
        for engine in simulation.cluster.engines:
            engine.memory.tree.eviction = REGISTRY.make(name)
        simulation.run()
        assert all(engine.memory.tree.evicted for engine in simulation.cluster.engines)
        facts = Facts.of(simulation.recorder).requests
        assert sum(facts["hit_hbm"])
        return {column: list(values) for column, values in facts.items()}

    assert run(False) == run(True)


def test_it_is_no_better_than_the_optimum_on_a_loop(name) -> None:
    """Ten blocks in turn through a cache of six."""
    looped = Lookups([(number % 10,) for number in range(100)])
    best = looped.replay(REGISTRY.make("belady"), 6).hit_blocks
    assert looped.replay(REGISTRY.make(name), 6).hit_blocks <= best
    assert best == 54  # six stay from the first round on, and are found in the nine others


def test_an_oracle_asks_for_the_future_or_says_so() -> None:
    for name in set(POLICIES) - set(REAL):
        node = Node(1, 0, 1, None, 0)
        del node.next_use
        with pytest.raises(InputError, match="future"):
            REGISTRY.make(name).touched(node, 0)


def test_it_says_what_it_is(name) -> None:
    described = REGISTRY.describe(name)
    assert described.summary.endswith((".", ")."))
    assert len(described.summary) <= 100
    assert all(not parameter.name.startswith("_") for parameter in described.parameters)


def test_fields_are_checked(name) -> None:
    with pytest.raises(InputError, match="has no field 'colour'"):
        REGISTRY.make({name: {"colour": 3}})
    for parameter in REGISTRY.describe(name).parameters:
        REGISTRY.make({name: {parameter.name: parameter.default}})
        for wrong in (-1, "many", None):
            with pytest.raises(InputError, match=parameter.name):
                REGISTRY.make({name: {parameter.name: wrong}})
