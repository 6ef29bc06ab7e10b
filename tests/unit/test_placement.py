"""Do placements learn and decide as they say?"""

from kvsim.policies.placement.predicted import Predicted
from kvsim.sim.policy import Stored


def test_who_came_back_so_far_decides_who_is_kept() -> None:
    policy = Predicted(0.5)

    def keeps(session: int, turn: int) -> bool:
        return policy.keeps(Stored(100, "end", 1, session=session, turn=turn, kind="chat"))

    assert not keeps(1, 0)  # one was here, nobody has come back: (0 + 1) / (1 + 2)
    assert not keeps(1, 1)
    assert keeps(1, 0)  # asked again, now that one of one has come back: 2 / 3
    assert keeps(2, 0)  # one of two: 2 / 4
    assert not keeps(3, 0)  # one of three: 2 / 5


def test_what_belongs_to_no_session_is_kept_when_it_has_been_used_again() -> None:
    assert [Predicted().keeps(Stored(16, "end", reuses)) for reuses in (1, 2)] == [False, True]
