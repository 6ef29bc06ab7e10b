"""Are pieces powers of two that are cut, joined and found as a buddy allocator's are?"""

from hypothesis import given
from hypothesis import strategies as st

from kvsim.sim.buddy import Buddy


def test_a_piece_is_halved_until_it_fits_and_joined_again() -> None:
    buddy = Buddy(16)
    assert [buddy.take(units) for units in (3, 4, 1, 2)] == [0, 4, 8, 10]  # 3 takes 4, as 4 does
    assert buddy.free == 16 - 4 - 4 - 1 - 2
    assert [buddy.size(place) for place in (0, 4, 8, 10)] == [4, 4, 1, 2]
    assert [buddy.give(place) for place in (4, 8, 10, 0)] == [4, 1, 2, 4]
    assert buddy.take(16) == 0


def test_free_units_that_lie_apart_are_no_room() -> None:
    buddy = Buddy(16)
    places = [buddy.take(4) for _ in range(4)]
    buddy.give(places[0])
    buddy.give(places[2])
    assert buddy.free == 8
    assert buddy.fits(4)
    assert not buddy.fits(5)  # 4 + 4, but not side by side
    buddy.give(places[1])
    assert buddy.fits(8)


def test_neighbours_of_different_parents_are_not_joined() -> None:
    buddy = Buddy(16)
    places = [buddy.take(4) for _ in range(4)]
    buddy.give(places[1])
    buddy.give(places[2])  # [4, 12) is free, and no piece of eight begins at 4
    assert not buddy.fits(8)


def test_a_total_that_is_no_power_of_two_is_cut_into_the_largest_pieces() -> None:
    """15,728 units are 8,192 + 4,096 + 2,048 + 1,024 + 256 + 64 + 32 + 16."""
    buddy = Buddy(15_728)
    assert buddy.largest == 8192
    taken = 0
    while buddy.fits(2048):
        buddy.take(2048)
        taken += 1
    assert taken == 7
    assert buddy.free == 15_728 - 7 * 2048


def test_nothing_fits_into_nothing() -> None:
    assert not Buddy(0).fits(1)
    assert Buddy(0).largest == 0
    assert Buddy(1).largest == 1


@given(st.integers(1, 300), st.lists(st.tuples(st.integers(1, 64), st.integers(0, 99))))
def test_no_unit_is_taken_twice_or_lost(total: int, wishes: list[tuple[int, int]]) -> None:
    buddy, taken = Buddy(total), list[int]()
    for units, which in wishes:
        if buddy.fits(units):
            taken.append(buddy.take(units))
            assert buddy.size(taken[-1]) < 2 * units
        elif taken:
            buddy.give(taken.pop(which % len(taken)))
        buddy.check()
    while taken:
        buddy.give(taken.pop())
    assert vars(buddy) == vars(Buddy(total))
