"""Do the tables fit a terminal, survive missing numbers, and know which way is better?"""

import pytest
from rich.console import Console
from runfolder import write_run

from kvsim.report import comparison, comparison_json, overview, read
from kvsim.report.comparing import Change
from kvsim.report.measures import GROUPS
from kvsim.report.warnings import warnings

MEASURES = {measure.path: measure for group in GROUPS for measure in group}


def printed(renderable) -> list[str]:
    """The lines that an 80-column terminal shows."""
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().splitlines()


@pytest.fixture
def summary(tmp_path):
    return dict(read(write_run(tmp_path, requests=40, tiers=("hbm", "dram"))).summary)


def line(lines: list[str], start: str) -> str:
    return next(text for text in lines if text.startswith(start))


def test_an_overview_fits_80_columns_and_wraps_nothing(summary):
    lines = printed(overview(summary, "tiny"))
    assert max(map(len, lines)) <= 80
    assert not [text for text in lines if text.startswith("   ")]
    assert lines[0] == "tiny"


def test_an_overview_says_units_and_shares():
    lines = printed(overview({
        "requests": {"arrived": 12, "finished": 10, "rejected": 2},
        "ttft_s": {"mean": 0.5, "p50": 0.25, "p90": 1, "p95": 2, "p99": 3, "max": 4},
        "ttft_breakdown_s": {"queue": 0.3, "load": 0, "prefill": 0.2, "transfer": 0, "other": 0},
        "throughput": {"requests_per_s": 9.97, "output_tokens_per_s": 2123},
        "cache": {"prompt_tokens": 1000, "hit_rate": 0.4, "by_tier": {"hbm": 300, "dram": 100}},
    }))  # fmt: skip
    assert line(lines, "TTFT, ms").split() == ["TTFT,", "ms", "500", "250", *["1,000", "2,000"],
                                               *["3,000", "4,000"]]  # fmt: skip
    assert line(lines, "share").split() == ["share", "60.0", "%", "0", "%", "40.0", "%", "0", "%",
                                            "0", "%"]  # fmt: skip
    assert "12 arrived · 10 finished · 2 rejected" in line(lines, "Requests")
    assert "9.97 requests/s · 2,123 output tokens/s" in line(lines, "Throughput")
    assert "40.0 % of prompt tokens · HBM 30.0 % · DRAM 10.0 %" in line(lines, "Cache hits")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"requests": None, "ttft_s": None, "transfers": None, "confidence": None},
        {"ttft_s": {"p50": None}, "cache": {"by_tier": None}, "simulator": {}},
        {"slo": {"attainment": float("nan")}, "memory": {"kv_peak_fraction": "?"}},
    ],
)
def test_nulls_and_missing_parts_are_left_out(given):
    assert not [text for text in printed(overview(given)) if text.strip()]
    printed(comparison(["a", "b"], [given, {}]))


def test_warnings_come_gravest_first():
    assert warnings({
        "requests": {"arrived": 10, "finished": 6, "rejected": 3,
                     "rejected_reasons": {"too long": 1, "no room": 2}},
        "partial": "interrupted",
        "extrapolated_fraction": 0.125,
    }) == [
        "partial: interrupted",
        "12.5 % of step times outside the measured range",
        "2 requests rejected: no room",
        "1 request rejected: too long",
        "1 request unfinished when the run ended",
    ]  # fmt: skip
    assert warnings({"requests": {"arrived": 3, "finished": 3, "rejected": 0}}) == []
    assert warnings({"partial": True}) == ["partial: the run was cut short"]
    assert printed(overview({"partial": "interrupted"}))[0] == "! partial: interrupted"


@pytest.mark.parametrize(
    ("path", "before", "after", "verdict"),
    [
        ("ttft_s.p99", 2.0, 1.0, "better"),
        ("ttft_s.p99", 1.0, 2.0, "worse"),
        ("slo.attainment", 0.9, 0.95, "better"),
        ("cache.hit_rate", 0.5, 0.4, "worse"),
        ("cost.usd", 10.0, 9.0, "better"),
        ("preemptions", 0, 3, "worse"),
        ("gpu.busy_fraction", 0.5, 0.9, ""),
        ("ttft_s.p99", 1.0, 1.0, "same"),
        ("ttft_s.p99", None, 1.0, ""),
    ],
)
def test_better_and_worse_follow_the_direction_of_the_measure(path, before, after, verdict):
    assert Change(MEASURES[path], (before, after)).verdict(1) == verdict


def test_overlapping_confidence_is_no_verdict():
    measure = MEASURES["ttft_s.p99"]
    near = Change(measure, (2.0, 1.9), ((1.8, 2.2), (1.7, 2.1)))
    far = Change(measure, (2.0, 1.0), ((1.8, 2.2), (0.9, 1.1)))
    assert (near.verdict(1), far.verdict(1)) == ("unsure", "better")


def test_differences_are_absolute_and_relative():
    ttft = Change(MEASURES["ttft_s.p99"], (2.0, 0.5))
    assert (ttft.difference_text(1), ttft.share_text(1)) == ("−1.50 s", "−75.0 %")
    hits = Change(MEASURES["cache.hit_rate"], (0.4, 0.5))
    assert (hits.difference_text(1), hits.share_text(1)) == ("+10 pt", "+25.0 %")
    many = Change(MEASURES["preemptions"], (4, 100))
    assert (many.difference_text(1), many.share_text(1)) == ("+96", "×25")
    none = Change(MEASURES["preemptions"], (0, 5))
    assert (none.difference_text(1), none.share_text(1)) == ("+5", "")


def test_two_runs_stand_side_by_side(summary):
    other = summary | {"ttft_s": dict.fromkeys(summary["ttft_s"], 0.001)}
    lines = printed(comparison(["lru", "arc"], [summary, other]))
    assert max(map(len, lines)) <= 80
    assert line(lines, "TTFT p99").split()[-1] == "better"
    assert lines[0].split() == ["lru", "arc", "difference"]


def test_long_names_become_letters_and_brackets_stay(summary):
    lines = printed(comparison(["runs/[red]baseline", "b"], [summary, summary]))
    assert lines[:2] == ["A  runs/[red]baseline", "B  b"]
    short = printed(comparison(["[red]", "b"], [summary, summary]))
    assert short[0].split() == ["[red]", "b", "difference"]


def test_many_runs_are_compared_in_tables_that_fit(summary):
    names = [f"run-{i}" for i in range(6)]
    lines = printed(comparison(names, [summary] * 6))
    assert max(map(len, lines)) <= 80
    heads = [text.split() for text in lines if "run-0" in text]
    assert heads == [["run-0", "run-1", "run-2", "run-3"], ["run-0", "run-4", "run-5"]]


def test_a_comparison_as_json_has_every_difference():
    fast, slow = {"ttft_s": {"p50": 1.0}}, {"ttft_s": {"p50": 1.5}}
    assert comparison_json(["fast", "slow"], [fast, slow]) == {
        "runs": ["fast", "slow"],
        "measures": {
            "ttft_s.p50": {
                "values": [1.0, 1.5],
                "better": "lower",
                "differences": [0.5],
                "relative": [0.5],
                "verdicts": ["worse"],
            }
        },
    }
