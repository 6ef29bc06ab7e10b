"""Does the radix tree of segments agree with a flat dictionary of blocks?"""

from hypothesis import given
from hypothesis import strategies as st

from kvsim.policies.eviction.lru import LRU
from kvsim.sim.prefix import PrefixTree, Segment

BLOCK = 16
LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


class Forest:
    """Names for blocks such that an id stands for everything before it, and runs are common."""

    def __init__(self) -> None:
        self.ids: dict[tuple[int, ...], int] = {}

    def runs(self, path: list[int]) -> tuple[int, ...]:
        """Path of choices to run-length coded ids; choice 0 continues its parent's numbers."""
        runs: list[int] = []
        for end in range(1, len(path) + 1):
            key = tuple(path[:end])
            if key not in self.ids:
                parent = self.ids.get(key[:-1])
                fresh = 1000 * (len(self.ids) + 1)
                self.ids[key] = parent + 1 if key[-1] == 0 and parent is not None else fresh
            name = self.ids[key]
            if runs and runs[-2] + runs[-1] == name:
                runs[-1] += 1
            else:
                runs += [name, 1]
        return (*runs, -1 << 24, 1 << 20)


@given(st.sampled_from([16, 32, 64]), st.lists(st.tuples(LABELS, st.integers(1, 200)), max_size=20),
       st.data())  # fmt: skip
def test_the_tree_agrees_with_a_dictionary(label_tokens, inserts, data) -> None:
    tree, forest = PrefixTree(BLOCK, 1, LRU()), Forest()
    known: set[tuple[tuple[int, ...], int]] = set()
    held: list[tuple[Segment, int]] = []
    for now, (path, tokens) in enumerate(inserts):
        tokens = min(tokens, len(path) * label_tokens)
        labels = forest.runs(path)
        whole = tokens - tokens % BLOCK
        blocks = [
            (tuple(path[: (end - 1) // label_tokens + 1]), end)
            for end in range(BLOCK, whole + 1, BLOCK)
        ]
        expected = 0
        while expected < len(blocks) and blocks[expected] in known:
            expected += 1
        leaf, hit = tree.match(labels, label_tokens, tokens)
        assert hit == expected * BLOCK
        if hit < leaf.end:
            leaf = tree.split(leaf, hit, label_tokens)
        before = tree.locked + tree.unlocked_bytes(leaf, hit)
        tree.lock(leaf, now)
        assert tree.locked == before
        leaf = tree.insert(leaf, labels, label_tokens, whole, now)
        assert leaf.end == whole
        known.update(blocks)
        tree.check()
        held.append((leaf, hit))
        while held and data.draw(st.booleans()):
            tree.unlock(held.pop(data.draw(st.integers(0, len(held) - 1)))[0], now)
            tree.check()
        assert tree.bytes == len(known)
    for leaf, _ in held:
        tree.unlock(leaf, 0)
    wanted = data.draw(st.integers(0, tree.bytes))
    assert tree.evict(wanted) == wanted
    tree.check()
    assert tree.bytes == len(known) - wanted
