"""Does a field draw what its law says, clipped, rounded and in its unit?"""

import gzip
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared import shared

from kvsim.errors import InputError
from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import Distribution, counts, durations
from kvsim.units import MS, SECOND

MANY = 100_000


def draw(value: object, least: int = 1) -> Any:
    read: Distribution = counts(least)(value, "field")
    return read.draw(stream(1, "test"), MANY)


@pytest.mark.parametrize(
    ("law", "mean", "std"),
    [
        (7, 7, 0),
        ({"uniform": [10, 30]}, 20, sqrt((21**2 - 1) / 12)),  # variance of 21 equal steps
        ({"normal": {"mean": 500, "std": 20}}, 500, 20),
        ({"lognormal": {"mean": 1000, "cv": 1.5}}, 1000, 1500),
        ({"lognormal": {"median": 1000, "cv": 1.0}}, 1000 * sqrt(2), 1000 * sqrt(2)),
        # mean = median exp(sigma²/2)
        ({"lognormal": {"median": 1000, "sigma": 0.5}}, 1000 * exp(0.125), None),
        ({"exponential": {"mean": 400}}, 400, 400),
        ({"geometric": {"mean": 5}}, 5, sqrt(0.8) / 0.2),
        ({"geometric": {"mean": 1}}, 1, 0),
        ({"gamma": {"mean": 300, "cv": 0.5}}, 300, 150),
        ({"choice": [[1, 3], [5, 1]]}, 2, sqrt(3)),
        ({"choice": [[1, 0], [5, 0.1]]}, 5, 0),
    ],
)
def test_mean_and_deviation_are_those_asked_for(law: Any, mean: float, std: float | None) -> None:
    drawn = draw(law)
    # five standard errors of the mean; the deviation's own error is larger with heavy tails
    assert drawn.mean() == pytest.approx(mean, abs=5 * drawn.std() / sqrt(MANY) + 1e-9)
    if std is not None:
        assert drawn.std() == pytest.approx(std, rel=0.03)
    assert drawn.dtype == np.int64


def test_the_median_is_the_median() -> None:
    drawn = draw({"lognormal": {"median": 10_000, "cv": 2.0}})
    # the standard error of log(median) is sigma sqrt(pi / 2 / n)
    assert log(np.median(drawn)) == pytest.approx(log(10_000), abs=5 * 1.27 * sqrt(1.6 / MANY))


def test_ends_of_a_uniform_law_are_drawn_too() -> None:
    assert sorted(set(draw({"uniform": [3, 6]}).tolist())) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "law",
    [
        {"exponential": {"mean": 100}, "min": 50, "max": 200},
        {"exponential": {"mean": 100, "min": 50, "max": 200}},
    ],
)
def test_min_and_max_clip_beside_the_law_or_in_it(law: Any) -> None:
    drawn = draw(law)
    assert (drawn.min(), drawn.max()) == (50, 200)
    assert (drawn == 50).mean() == pytest.approx(1 - exp(-0.505), abs=0.01)


def test_nothing_is_drawn_below_the_least_that_the_field_allows() -> None:
    law = {"normal": {"mean": 0, "std": 10}}
    assert draw(law, least=1).min() == 1
    assert draw(law, least=0).min() == 0


def test_durations_are_nanoseconds() -> None:
    assert durations("1.5 s", "field").constant == 1500 * MS
    law = durations({"lognormal": {"median": "10 s", "cv": 1.5}, "max": "1 min"}, "field")
    drawn = law.draw(stream(1, "test"), MANY)
    assert np.median(drawn) == pytest.approx(10 * SECOND, rel=0.02)
    assert drawn.max() == 60 * SECOND
    choice = durations({"choice": [["1 ms", 1], ["2 ms", 1]]}, "field")
    assert set(choice.draw(stream(1, "test"), 100).tolist()) == {MS, 2 * MS}


def test_values_that_were_measured_are_drawn_again(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv.gz"
    path.write_bytes(gzip.compress(b"id,gap\n1,0.5\n2,2\n\n3,2\n"))
    drawn = durations({"file": str(path), "column": "gap"}, "field").draw(stream(1, "a"), MANY)
    assert sorted(set(drawn.tolist())) == [500 * MS, 2 * SECOND]
    assert (drawn == 2 * SECOND).mean() == pytest.approx(2 / 3, abs=0.01)
    in_ms = {"file": str(path), "column": "gap", "unit": "ms", "min": "1 ms"}
    drawn = durations(in_ms, "field").draw(stream(1, "a"), 100)
    assert sorted(set(drawn.tolist())) == [MS, 2 * MS]


def test_sharegpt_lengths_have_their_published_mean() -> None:
    path = str(shared("traces/lengths_sharegpt_8k.csv.gz"))
    # 439 is the mean and 1024 the maximum that the trace's own table of statistics gives
    drawn = draw({"file": path, "column": "num_decode_tokens"})
    assert drawn.mean() == pytest.approx(439, abs=5 * drawn.std() / sqrt(MANY) + 0.5)
    assert drawn.max() == 1024


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("many", "field: found 'many'; write a number."),
        (True, "field: found True; write a number."),
        (0, "field: found 0; write a whole number, at least 1."),
        (2.5, "field: found 2.5; write a whole number, at least 1."),
        ({"lognorml": {}}, "field.lognorml: there is no such law. Did you mean 'lognormal'?"),
        ({}, "field: write one law, found 0."),
        ({"normal": {"mean": 3, "std": 1}, "gamma": {}}, "field: write one law, found 2."),
        ({"normal": {"mean": 3}}, "field.normal.std: is missing"),
        ({"normal": {"mean": 3, "sd": 3}}, "field.normal.sd: there is no such field."),
        ({"normal": {"mean": 3, "std": -1}}, "field.normal.std: found -1"),
        ({"normal": 3}, "field.normal: found 3; write {field: value}."),
        ({"normal": {"mean": 3, "std": 1}, "min": 5, "max": 4}, "field: min 5 is above max 4"),
        ({"normal": {"mean": 3, "std": 1, "max": 0.5}}, "field.normal.max: found 0.5"),
        ({"uniform": [5]}, "field.uniform: found [5]; write [lowest, highest]."),
        ({"uniform": [5, 2]}, "field.uniform: found [5, 2]; the lowest comes first."),
        ({"uniform": [5, "x"]}, "field.uniform[1]: found 'x'"),
        ({"lognormal": {"cv": 1}}, "field.lognormal.median: write either median or mean."),
        ({"lognormal": {"median": 1}}, "field.lognormal.cv: write either cv or sigma."),
        ({"lognormal": {"median": 0, "cv": 1}}, "field.lognormal.median: found 0"),
        ({"exponential": {"mean": -1}}, "field.exponential.mean: found -1"),
        ({"geometric": {"mean": 0.5}}, "field.geometric.mean: found 0.5"),
        ({"gamma": {"mean": 5, "cv": 0}}, "field.gamma.cv: found 0; write a number from 0.01"),
        ({"choice": []}, "field.choice: found []; write [[value, weight], ...]."),
        ({"choice": [3]}, "field.choice[0]: found 3; write [value, weight]."),
        ({"choice": [[3, -1]]}, "field.choice[0][1]: found -1"),
        ({"choice": [[3, 0]]}, "field.choice: one of the weights must be above 0."),
        ({"file": "nowhere.csv", "column": "x"}, "field.file: cannot read 'nowhere.csv'"),
        ({"file": "nowhere.csv"}, "field.column: is missing"),
    ],
)
def test_what_cannot_be_is_said_with_its_path(value: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        counts(1)(value, "field")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "field: 5 has no unit; a duration needs one of"),
        ({"exponential": {"mean": 3}}, "field.exponential.mean: 3 has no unit"),
        ({"exponential": {"mean": "3 kg"}}, "field.exponential.mean: '3 kg' has the unit 'kg'"),
        ({"uniform": ["1 s", 2]}, "field.uniform[1]: 2 has no unit"),
    ],
)
def test_a_duration_needs_its_unit(value: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        durations(value, "field")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "value", "sentence"),
    [
        ("", {"column": "a"}, "is empty"),
        ("a,b\n", {"column": "a"}, "has a header and no rows"),
        ("tokens\n1\n", {"column": "token"}, "has no column 'token'. Did you mean 'tokens'?"),
        ("a,b\n1,2\n1\n", {"column": "b"}, "line 3, column 'b': the row ends before it"),
        ("a,b\n1,x\n", {"column": "b"}, "line 2, column 'b': found 'x'; a number is wanted"),
        ("a,b\n1,nan\n", {"column": "b"}, "line 2, column 'b': found 'nan'"),
        ("a\n1\n", {"column": "a", "unit": "s"}, "field.unit: only a duration has a unit"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_with_its_line(
    tmp_path: Path, content: str, value: dict[str, str], sentence: str
) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        counts(1)({"file": str(path), **value}, "field")
    assert sentence in str(caught.value)


def test_a_file_with_another_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "lengths.csv.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"Did you mean 'lengths\.csv\.gz'"):
        counts(1)({"file": str(tmp_path / "lengths.csv"), "column": "a"}, "field")
