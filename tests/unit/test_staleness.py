"""What does a router know of a cache that it hears of late, and not of all?"""

from kvsim.policies.eviction.lru import LRU
from kvsim.sim.memory import KVMemory
from kvsim.sim.sequence import Sequence
from kvsim.traces.request import Request
from kvsim.units import SECOND


def sequence(*blocks: int, tokens: int) -> Sequence:
    return Sequence(Request(0, 0, tokens, 10, blocks, 16), 0)


def stored() -> KVMemory:
    """64 tokens of a prompt at 1 s, 32 more of it at 3 s, 32 of another one's end at 5 s."""
    memory = KVMemory(100 * 16, 16, 16, LRU())
    one = sequence(100, 10, tokens=160)
    memory.admit(one, 1 * SECOND)
    memory.extend(one, 64, 1 * SECOND)
    one.computed = 64
    memory.extend(one, 32, 3 * SECOND)
    one.computed = 96
    memory.release(one, 4 * SECOND)
    other = sequence(100, 6, 900, 4, tokens=160)
    memory.admit(other, 5 * SECOND)
    memory.extend(other, 32, 5 * SECOND)
    other.computed = 128
    memory.release(other, 6 * SECOND)
    return memory


def test_what_is_stored_is_known_when_its_event_has_come() -> None:
    memory, asked = stored(), sequence(100, 6, 900, 4, tokens=160)
    known = {at: memory.known(asked, at * SECOND, 0.0) for at in range(7)}
    assert known == {0: 0, 1: 64, 2: 64, 3: 96, 4: 96, 5: 128, 6: 128}


def test_what_follows_a_lost_event_is_not_known_either() -> None:
    memory, asked = stored(), sequence(100, 6, 900, 4, tokens=160)
    found = [memory.known(asked, 9 * SECOND, loss / 100) for loss in range(101)]
    assert found == sorted(found, reverse=True)
    assert set(found) <= {0, 96, 128}
    assert (found[0], found[-1]) == (128, 0)
