"""Do numbers read as a person writes them?"""

import pytest

from kvsim.report import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 s"), (3.2, "3.20 s"), (0.0123, "12.3 ms"), (850e-6, "850 µs"), (12e-9, "12.0 ns"),
        (599.6, "600 s"), (600, "10 min"), (725, "12 min 5 s"), (7800, "2 h 10 min"),
        (0.99999, "1.00 s"), (-0.3, "-300 ms"), (None, "–"), (float("nan"), "–"), ("x", "–"),
    ],
)  # fmt: skip
def test_durations_take_the_unit_that_fits(value, expected):
    assert words.duration(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"), (9.5, "9.50"), (512, "512"), (1234, "1,234"), (12_345, "12.3k"),
        (999_999, "1,000k"), (1_000_000, "1.00M"), (85e9, "85.0G"), (None, "–"),
    ],
)  # fmt: skip
def test_amounts_keep_three_digits(value, expected):
    assert words.amount(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 %"), (1, "100 %"), (0.412, "41.2 %"), (0.99999, ">99.9 %"), (0.0001, "<0.1 %"),
        (-0.05, "-5.0 %"), (1.5, "150.0 %"), (None, "–"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_all_or_nothing(value, expected):
    assert words.percent(value) == expected


def test_sizes_dollars_and_counts():
    assert words.size(512 * 2**30) == "512 GiB"
    assert words.size(900) == "900 B"
    assert words.dollars(12.3) == "$12.30"
    assert words.dollars(0.0123) == "$0.0123"
    assert words.plural(1, "request") == "1 request"
    assert words.plural(12345, "request") == "12,345 requests"
    assert [words.times(n) for n in (1, 2, 3)] == ["once", "twice", "3 times"]
