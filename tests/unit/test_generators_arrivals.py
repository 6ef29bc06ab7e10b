"""Do requests come at the rate and with the burstiness asked for, in order?"""

from itertools import islice, pairwise
from math import sqrt
from typing import Any

import numpy as np
import pytest

from kvsim.errors import InputError
from kvsim.traces.generators.arrivals import instants, weibull_shape
from kvsim.units import MS, SECOND

MANY = 50_000


def first(count: int, seed: int = 1, **spec: Any) -> list[int]:
    return list(islice(instants(spec, seed), count))


def test_a_uniform_process_has_equal_gaps() -> None:
    assert first(4, rate="2/s", process="uniform") == [500 * MS, SECOND, 1500 * MS, 2 * SECOND]
    assert first(3, rate="3/s", process="uniform") == [333_333_333, 666_666_667, SECOND]
    assert first(10_000, rate="3/s", process="uniform")[-2:] == [
        3_333_000_000_000,
        3_333_333_333_333,
    ]


@pytest.mark.parametrize(
    ("process", "cv"),
    [
        ("poisson", 1.0),
        ("gamma", 0.3),
        ("gamma", 1.0),
        ("gamma", 3.0),
        ("weibull", 0.5),
        ("weibull", 2.0),
    ],
)
def test_rate_and_cv_are_those_asked_for(process: str, cv: float) -> None:
    at = first(MANY, rate="5/s", process=process, cv=cv)
    gaps = np.diff(at, prepend=0)
    assert gaps.mean() == pytest.approx(SECOND / 5, rel=5 * cv / sqrt(MANY))
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)
    assert all(type(one) is int for one in at[:100])
    assert gaps.min() >= 0


def test_the_counts_of_a_poisson_process_are_poisson() -> None:
    at = np.array(first(MANY, rate="10/s"))
    counts = np.bincount(at // SECOND)[:-1]
    # variance = mean = 10; its standard error over n windows is sqrt((10 + 2 · 10²) / n)
    assert counts.var() == pytest.approx(10, abs=5 * sqrt(210 / counts.size))


def test_weibull_shapes_in_closed_form() -> None:
    assert weibull_shape(1.0) == pytest.approx(1.0)
    # k = 2 (Rayleigh): cv² = 4/pi - 1;  k = 1/2: mean 2, mean square 24, cv² = 5
    assert weibull_shape(sqrt(4 / np.pi - 1)) == pytest.approx(2.0)
    assert weibull_shape(sqrt(5)) == pytest.approx(0.5)


def test_pieces_of_a_uniform_process_by_hand() -> None:
    rate = [["0 s", "1/s"], ["2.5 s", "10/s"], ["2.8 s", "0/s"], ["4 s", "2/s"]]
    at = first(8, rate=rate, process="uniform")
    # 2.5 are due by 2.5 s: the third comes 0.05 s later. 5.5 by 2.8 s: the sixth 0.25 s after 4 s
    wanted = ["1", "2", "2.55", "2.65", "2.75", "4.25", "4.75", "5.25"]
    assert at == [int(float(one) * SECOND) for one in wanted]


def test_pieces_have_each_their_rate() -> None:
    rate = [["0 s", "1/s"], ["1000 s", "10/s"], ["2000 s", "4/s"], ["3000 s", "0/s"]]
    at = np.array(list(instants({"rate": rate}, seed=3)))
    counts = np.bincount(at // (1000 * SECOND), minlength=3)
    for found, wanted in zip(counts.tolist(), [1000, 10_000, 4000], strict=True):
        assert found == pytest.approx(wanted, abs=5 * sqrt(wanted))


def test_nothing_comes_before_the_first_piece_or_after_the_duration() -> None:
    at = list(instants({"rate": [["10 s", "100/s"]], "duration": "20 s"}, seed=1))
    assert min(at) >= 10 * SECOND
    assert max(at) < 20 * SECOND
    assert len(at) == pytest.approx(1000, abs=5 * sqrt(1000))


def test_instants_are_in_order_over_many_blocks() -> None:
    at = first(20_000, rate="1000000/s", process="gamma", cv=8)
    assert all(before <= after for before, after in pairwise(at))


def test_another_rate_gives_the_same_pattern_scaled() -> None:
    slow, fast = first(100, rate="1/s"), first(100, rate="4/s")
    assert [one / 4 for one in slow] == pytest.approx(fast, abs=1)
    assert first(100, rate="1/s") == slow
    assert first(100, seed=2, rate="1/s") != slow


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "arrivals.rate: is missing"),
        ({"rate": 1.5}, "arrivals.rate: 1.5 is not a rate. Write it as '1.5/s'."),
        ({"rate": "2 s"}, "arrivals.rate: '2 s' is not a rate."),
        ({"rate": "0/s"}, "arrivals.rate: found '0/s'; a rate above 0 is wanted"),
        ({"rate": []}, "arrivals.rate: found []; a rate above 0 is wanted"),
        ({"rate": [["0 s", "1/s"], ["0 s", "2/s"]]}, "arrivals.rate: each piece must start later"),
        ({"rate": [[0, "1/s"]]}, "arrivals.rate[0][0]: 0 has no unit"),
        ({"rate": [["0 s", 1]]}, "arrivals.rate[0][1]: 1 is not a rate."),
        ({"rate": ["1/s"]}, "arrivals.rate[0]: found '1/s'; write [start, rate]"),
        ({"rate": "1/s", "process": "poison"}, "arrivals.process: found 'poison'. Did you mean"),
        ({"rate": "1/s", "cv": 2}, "arrivals.cv: found 2; poisson has 1"),
        ({"rate": "1/s", "process": "uniform", "cv": 1}, "arrivals.cv: found 1; uniform has 0"),
        ({"rate": "1/s", "process": "gamma", "cv": 0}, "arrivals.cv: found 0; 0.01 is the least"),
        ({"rate": "1/s", "process": "gamma", "cv": -1}, "arrivals.cv: found -1; write a number"),
        ({"rate": "1/s", "rte": 2}, "arrivals.rte: there is no such field. Did you mean 'rate'?"),
    ],
)
def test_what_cannot_be_is_said_with_its_path(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        instants(spec, seed=1)
    assert str(caught.value).startswith(sentence)
