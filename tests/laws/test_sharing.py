"""Is what a batch has in common what a look at all of its paths would find?"""

from hypothesis import given
from hypothesis import strategies as st
from machine import Affine, Machine

from kvsim.sim.batch import DecodeBatch
from kvsim.sim.policy import Kernel
from kvsim.sim.sharing import Sharing
from kvsim.sim.timing import Pace, Work
from kvsim.traces.request import Request
from kvsim.units import MS


class Shared(Affine):
    """Shared tokens are read once."""

    def pace(self, work: Work) -> Pace:
        contexts = (work.contexts[0] - work.shared,)
        return Affine.pace(self, work._replace(contexts=contexts))


class Audited(Sharing):
    """Compares itself with all paths, walked one by one."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.seen: list[int] = []

    @property
    def saved(self) -> int:
        told = Sharing.saved.fget(self)  # type: ignore[attr-defined]
        readers: dict[object, int] = {}
        for leaf in self._leaves.values():
            node = leaf
            while node.parent is not None:
                readers[node] = readers.get(node, 0) + 1
                node = node.parent
        grain, many = self.kernel.grain, len(self._leaves)
        expected = sum(
            (count - 1) * (node.end // grain - node.depth // grain) * grain
            for node, count in readers.items()
            if self.kernel.tree or count == many
        )
        assert told == expected
        self.seen.append(told)
        return told


@st.composite
def machines(draw: st.DrawFn):
    requests = [
        Request(
            index, draw(st.integers(0, 100)) * MS, draw(st.integers(64, 300)),
            draw(st.integers(1, 40)), (100 * draw(st.integers(1, 2)), draw(st.integers(1, 4)),
            1000 * (index + 1), 20), 16,
        )
        for index in range(draw(st.integers(2, 10)))
    ]  # fmt: skip
    kernel = Kernel(tree=draw(st.booleans()), grain=draw(st.sampled_from([1, 16, 64])))
    blocks = draw(st.sampled_from([40, 1000]))

    def make(step_by_step: bool) -> tuple[Machine, list[Audited]]:
        machine = Machine(
            blocks, timing=Shared(MS, 100, 300), step_by_step=step_by_step, requests=requests
        )
        simulation = machine.build()
        audits = []
        for engine in simulation.cluster.engines:
            assert isinstance(engine.batch, DecodeBatch)
            engine.batch.sharing = Audited(kernel)
            audits.append(engine.batch.sharing)
        machine.build = lambda: simulation  # type: ignore[method-assign]
        return machine, audits

    return make


@given(machines())
def test_shared_tokens_are_counted_and_spans_equal_steps(make) -> None:
    (spans, audits), (steps, _) = make(False), make(True)
    first, second = spans.run(), steps.run()
    assert first.status == second.status
    for column in first.facts.requests:
        assert first[column] == second[column]
    assert all(audit.seen and not audit._leaves and not audit._repeated for audit in audits)
