"""Is a person told what tiers did: in the terminal, on the page, in the run folder?"""

import json
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from runfolder import write_run

from kvsim.report import overview, read
from kvsim.report.charts import draw
from kvsim.report.page import page
from kvsim.report.tier_words import amounts, bounds, links, wear
from kvsim.report.warnings import warnings
from kvsim.scenario import load
from kvsim.scenario.folder import FILES, write
from kvsim.scenario.run import Result, run

GIB, TIB = 2**30, 2**40
SUMMARY = {
    "cache": {"bound": {
        "hbm": {"policy": "lru", "hit_rate": 0.21, "optimum": 0.37, "run": 0.2},
        "ssd": {"policy": "fifo", "hit_rate": 0.0, "optimum": 0.5, "run": 0.0},
    }},
    "transfers": {
        "h2d 0.0": {"bytes": 3 * GIB, "busy_fraction": 0.01},
        "h2d 0.1": {"bytes": GIB, "busy_fraction": 0.25},
        "ssd-read 0": {"bytes": 2 * GIB, "busy_fraction": 0.5},
        "net-in 0": {"bytes": 0, "busy_fraction": 0.0},
    },
    "tiers": {
        "dram": {"capacity_bytes": 4 * GIB, "held_bytes": 3 * GIB, "written_bytes": 9 * GIB,
                 "loaded_bytes": GIB, "refused_bytes": 3 * GIB,
                 "refused_for": {"backlog": 2 * GIB, "room": GIB}},
        "ssd": {"capacity_bytes": TIB, "held_bytes": 0, "written_bytes": TIB, "loaded_bytes": 0,
                "refused_bytes": 0, "refused_for": {"backlog": 0, "room": 0},
                "written_bytes_per_day": 6 * TIB, "rated_bytes_per_day": 4 * TIB,
                "write_amplification": 1.5},
    },
}  # fmt: skip


def test_words_for_the_terminal() -> None:
    assert bounds(SUMMARY) == ["HBM: lru 21.0 %, optimum 37.0 %", "SSD: fifo 0 %, optimum 50.0 %"]
    assert links(SUMMARY) == [
        "host to GPU (2) 4.00 GiB, busy up to 25.0 %",
        "SSD read 2.00 GiB, busy 50.0 %",
    ]
    assert amounts(SUMMARY) == [
        "DRAM 75.0 % full at the end, 9.00 GiB written, 1.00 GiB loaded",
        "SSD 0 % full at the end, 1.00 TiB written, 0 B loaded",
    ]
    assert wear(SUMMARY) == ["6.00 TiB written a day, 4.00 TiB warranted", "each byte 1.50 times"]


def test_back_pressure_and_wear_are_warnings() -> None:
    assert warnings(SUMMARY) == [
        "DRAM refused 3.00 GiB, 25.0 % of what it was to store: too much was on its way in",
        "SSD is written 1.50 times as fast as its makers warrant: 6.00 TiB a day, 4.00 TiB rated",
    ]


def test_a_run_without_tiers_says_nothing_of_them(tmp_path: Path) -> None:
    summary = json.loads((write_run(tmp_path / "run") / "summary.json").read_text())
    for said in (bounds, amounts, wear):
        assert said(summary) == []
    assert warnings(summary) == []
    assert "Tiers and links" not in draw(read(tmp_path / "run"))


@pytest.fixture(scope="module")
def result() -> Result:
    """Some conversations over memory for a few requests, on a node with little DRAM and a drive."""
    changes = [
        "cluster.memory.blocks=4000", "cluster.pools.0.replicas=2",
        "cluster.tiers.dram.capacity=8 GiB", "cluster.tiers.ssd.capacity=64 GiB",
        "policies.eviction.dram=fifo", "workload.trace.limit=120",
    ]  # fmt: skip
    return run(load("mooncake", changes))


@pytest.fixture(scope="module")
def folder(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the run leaves behind."""
    return write(result, tmp_path_factory.mktemp("runs") / "one")


def test_the_bound_is_in_the_summary(result: Result) -> None:
    cache = result.summary["cache"]
    assert list(cache["bound"]) == ["hbm", "dram", "ssd"]
    assert [part["policy"] for part in cache["bound"].values()] == ["lru", "fifo", "lru"]
    hbm = cache["bound"]["hbm"]
    assert hbm["capacity_tokens"] == 2 * 4000 * 16
    assert hbm["asked_tokens"] == cache["prompt_tokens"]
    assert hbm["run"] * hbm["asked_tokens"] == pytest.approx(cache["by_tier"]["hbm"])
    for part in cache["bound"].values():
        assert 0 <= part["hit_rate"] <= part["optimum"] <= 1


def test_tiers_add_up_in_the_summary(result: Result) -> None:
    for tier in result.summary["tiers"].values():
        assert sum(tier["stored_bytes"].values()) == tier["written_bytes"]
        assert sum(tier["refused_for"].values()) == tier["refused_bytes"]
        assert tier["write_amplification"] >= 1
    written = sum(tier["written_bytes"] for tier in result.summary["tiers"].values())
    down = [use["bytes"] for link, use in result.summary["transfers"].items() if "d2h" in link]
    assert sum(down) == written


def test_the_folder_holds_transfers_and_lifetimes(result: Result, folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= set(FILES)
    moved = pd.read_parquet(folder / "transfers.parquet")
    done = moved[moved["landed"].notna()]
    stored = done[done["why"].isin(["prefill", "every", "end", "leaving"])].groupby(
        "tier", observed=True
    )
    assert stored["bytes"].sum().to_dict() == {
        name: tier["written_bytes"] for name, tier in result.summary["tiers"].items()
    }
    lives = pd.read_parquet(folder / "lifetimes.parquet").groupby(["fate", "tier"])["bytes"].sum()
    for name, tier in result.summary["tiers"].items():
        assert lives["kept", name] == tier["held_bytes"]
        assert lives.get(("evicted", name), 0) == tier["evicted_bytes"]
    assert lives["evicted", "hbm"] == result.summary["cache"]["evicted_bytes"]


def test_the_page_shows_tiers(folder: Path) -> None:
    found = read(folder)
    assert found.missing == ()
    sections = draw(found)
    names = [chart.name for chart in sections["Memory and cache"]]
    assert names == ["occupancy", "hits", "bounds", "lives-hbm", "lives-dram", "lives-ssd"]
    names = [chart.name for chart in sections["Tiers and links"]]
    assert names == ["levels", "links", "reasons", "wear"]
    shown = page(found)
    assert '<a href="#tiers-and-links">Tiers and links</a>' in shown
    for chart in sections["Tiers and links"]:
        assert f'data-chart="{chart.name}"' in shown


def test_cells_of_lives_are_all_bytes(folder: Path) -> None:
    for chart in draw(read(folder))["Memory and cache"][3:]:
        assert chart.figure is not None
        texts = chart.figure.data[1].text
        known = [float(text) for text in texts if "<" not in text]
        assert sum(known) == pytest.approx(100, abs=0.6 * len(texts))


def test_the_terminal_stays_within_its_width(result: Result) -> None:
    console = Console(width=80, file=StringIO())
    console.print(overview(result.summary, "mooncake"))
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Eviction") for line in lines)


def test_links_of_the_timeline_are_those_of_the_summary(result: Result, folder: Path) -> None:
    timeline = pd.read_parquet(folder / "timeline.parquet")
    moved = pd.read_parquet(folder / "transfers.parquet")
    early = moved[moved["landed"] <= result.end]
    for link, use in result.summary["transfers"].items():
        over = [link in path.split(" > ") for path in early["path"]]
        shown = timeline[f"bytes:{link}"].sum()
        assert early["bytes"][over].sum() <= shown * (1 + 1e-9)
        assert shown <= use["bytes"] * (1 + 1e-9)
        share = (timeline[f"busy:{link}"] * timeline["width"]).sum() / timeline["width"].sum()
        assert share == pytest.approx(use["busy_fraction"], abs=1e-9)
