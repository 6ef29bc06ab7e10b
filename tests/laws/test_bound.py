"""Is the optimum never beaten, by any policy, and the same as MIN block by block?"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import BLOCK, Affine, Below, Machine

from kvsim.policies import answers
from kvsim.policies.eviction.belady import Belady
from kvsim.policies.eviction.lru import LRU
from kvsim.sim.bound import Asked, asked
from kvsim.sim.hitrate import Lookups
from kvsim.sim.labels import Labels
from kvsim.sim.recorder import LOOKUP, LOOKUP_COLUMNS, REQUEST_COLUMNS, Recorder
from kvsim.units import MS

POLICIES = [name for name in answers("eviction").names() if name != "belady"]
PATHS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=25)


def named(paths: list[list[int]]) -> list[list[int]]:
    """Ids that stand for all before them; choice 0 goes on with its parent's numbers."""
    ids: dict[tuple[int, ...], int] = {}
    for path in paths:
        for end in range(1, len(path) + 1):
            key = tuple(path[:end])
            if key not in ids:
                fresh = 1000 * (len(ids) + 1)
                goes_on = key[-1] == 0 and end > 1
                ids[key] = ids[key[:-1]] + 1 if goes_on else fresh
    return [[ids[tuple(path[:end])] for end in range(1, len(path) + 1)] for path in paths]


def runs(blocks: list[int]) -> tuple[int, ...]:
    found: list[int] = []
    for name in blocks:
        if found and found[-2] + found[-1] == name:
            found[-1] += 1
        else:
            found += [name, 1]
    return tuple(found)


def plain(lists: list[list[int]]) -> Asked:
    """Look-ups of whole prompts, one block an id, and nothing else."""
    recorder, rows = Recorder(), []
    for id, blocks in enumerate(lists):
        recorder.requests.extend([id] + [0] * (len(REQUEST_COLUMNS) - 1))
        recorder.blocks.extend(runs(blocks))
        recorder.labelled.extend((len(recorder.blocks), BLOCK))
        tokens = len(blocks) * BLOCK
        rows.append((id, 0, 0, LOOKUP, 0, tokens, tokens, id))
    columns = np.array(rows, dtype=np.int64).T
    return Asked(
        dict(zip(LOOKUP_COLUMNS, columns, strict=True)),
        Labels(recorder, BLOCK),
        np.ones(len(rows), dtype=bool),
    )


@given(PATHS, st.integers(0, 12))
def test_min_on_runs_is_min_on_blocks(paths, room) -> None:
    lists = named(paths)
    ours, theirs = plain(lists), Lookups(lists)
    assert ours.tokens == theirs.total * BLOCK
    assert ours.optimum(room) == theirs.replay(Belady(), room).hit_blocks * BLOCK
    assert ours.replay(LRU(), room) == theirs.replay(LRU(), room).hit_blocks * BLOCK


@given(PATHS, st.sampled_from([16, 64]), st.sampled_from(POLICIES), st.integers(0, 20),
       st.data())  # fmt: skip
@settings(deadline=None)
def test_no_policy_beats_the_optimum(paths, label_tokens, policy, room, data) -> None:
    tiers = (Below("dram", 12, 20_000.0, backlog=400), Below("ssd", 30, 8_000.0, shared=True))
    made = Machine(blocks=40, replicas=2, timing=Affine(base=MS), tiers=tiers)
    for blocks in named(paths):
        prompt = (len(blocks) - 1) * label_tokens + data.draw(st.integers(1, label_tokens))
        output = data.draw(st.integers(1, 40))
        at = f"{data.draw(st.integers(0, 300))} ms"
        made.send(prompt, output, at, blocks=runs(blocks), block_tokens=label_tokens)
    outcome = made.run()
    labels = Labels(outcome.simulation.recorder, BLOCK)
    for tier, place in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)):
        one = asked(outcome.facts, labels, tier, place, outcome.facts.requests["id"])
        best = one.optimum(room)
        assert one.replay(answers("eviction").make(policy), room) <= best <= one.tokens
        assert best <= one.optimum(room + 1)
