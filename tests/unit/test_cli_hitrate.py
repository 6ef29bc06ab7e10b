"""Does `kvsim hitrate` print the curves it has replayed?"""

import json

import pytest
from trace_samples import jsonl
from typer.testing import CliRunner

from kvsim.cli.app import app
from kvsim.errors import InputError
from kvsim.policies import answers

ROWS = [
    {"timestamp": at, "input_length": 512 * len(ids), "output_length": 1, "hash_ids": ids}
    for at, ids in ((0, [1, 2, 3]), (1000, [1, 2, 4]), (2000, [1, 2, 3]))
]


@pytest.fixture
def trace(tmp_path) -> str:
    path = tmp_path / "trace.jsonl"
    path.write_text(jsonl(*ROWS), encoding="utf-8")
    return str(path)


def hitrate(*words: object) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["hitrate", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_curves_as_json(trace) -> None:
    """With room for three, LRU has 1 and 2 both times, MIN keeps 3 too and lets 4 pass."""
    found = json.loads(
        hitrate("--trace", trace, "--capacities", "3,1k", "--policies", "lru,belady", "--json")
    )
    assert found["block_tokens"] == 512
    keys = ("policy", "capacity_blocks", "hit_blocks", "total_blocks", "hit_rate")
    assert [tuple(curve[key] for key in keys) for curve in found["curves"]] == [
        ("lru", 3, 4, 9, 4 / 9),
        ("lru", 1000, 5, 9, 5 / 9),
        ("belady", 3, 5, 9, 5 / 9),
        ("belady", 1000, 5, 9, 5 / 9),
    ]


def test_a_table_fits_into_80_columns(trace) -> None:
    sizes = ",".join(str(10**power) for power in range(9))
    table = hitrate("--trace", trace, "--capacities", sizes, "--policies", "all")
    assert max(map(len, table.splitlines())) <= 80
    for name in answers("eviction").names():
        assert sum(line.split()[:1] == [name] for line in table.splitlines()) == 2
    assert "100,000,000" in table


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("1000,3000", [1000, 3000]), ("10k, 1e5,2M", [10_000, 100_000, 2_000_000]), ("7,7", [7])],
)
def test_capacities(trace, text, sizes) -> None:
    found = json.loads(hitrate("--trace", trace, "--capacities", text, "--json"))
    assert [c["capacity_blocks"] for c in found["curves"] if c["policy"] == "lru"] == sizes


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "k", "1,,2", "nan", "inf", "1e99"])
def test_no_capacities(trace, text) -> None:
    with pytest.raises(InputError, match="no number of blocks"):
        hitrate("--trace", trace, f"--capacities={text}")


def test_unknown_policies_and_traces_without_ids(trace, tmp_path) -> None:
    with pytest.raises(InputError, match=r"'beladi'\. Did you mean 'belady'"):
        hitrate("--trace", trace, "--policies", "lru,beladi")
    plain = tmp_path / "plain.csv"
    plain.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4,5\n")
    with pytest.raises(InputError, match="no block ids"):
        hitrate("--trace", plain)


def test_a_plot_opens_offline(trace, tmp_path) -> None:
    page = tmp_path / "misses.html"
    hitrate("--trace", trace, "--plot", page)
    html = page.read_text(encoding="utf-8")
    assert "Miss ratio" in html
    assert 'src="http' not in html
