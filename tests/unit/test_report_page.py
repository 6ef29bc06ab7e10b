"""Is the page whole, offline and honest, for runs of every kind?"""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from runfolder import SECOND, write_run
from typer import Typer
from typer.testing import CliRunner

from kvsim.cli.report import report
from kvsim.errors import InputError
from kvsim.report import explain, read, time_charts, write_report
from kvsim.report.charts import draw
from kvsim.report.latency_charts import POINTS

CHARTS = [
    "ttft", "breakdown", "tpot", "throughput", "rates", "batch", "busy", "occupancy", "hits",
]  # fmt: skip
ENOUGH = 6_000_000
"""Bytes that a page may have."""
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects ids, addresses and headings, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.headings, self._open = [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        self.headings += [tag] if re.fullmatch("h[1-6]", tag) else []
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def written(folder) -> tuple[str, Page, dict]:
    """The page's text, its elements, and its figures."""
    text = write_report(folder).read_text(encoding="utf-8")
    figures = re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)
    return text, Page(text), json.loads(figures[1])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tiers": ("hbm", "dram", "ssd", "remote")},
        {"requests": 0},
        {"requests": 1},
        {"requests": 20, "status": "rejected"},
        {"requests": 20, "status": "waiting"},
        {"requests": 60, "replicas": 40},
    ],
)
def test_every_run_gets_a_whole_page_that_loads_nothing(tmp_path, given):
    text, page, figures = written(write_run(tmp_path, **given))
    assert set(CHARTS) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert [a for a in page.addresses if not a.startswith("#")] == []
    assert {a[1:] for a in page.addresses} <= set(page.ids)
    assert "default-src 'none'" in text
    assert "{{" not in text.replace(re.search(r"<script>\n?/\*.*?</script>", text, re.S)[0], "")
    assert page.headings[0] == "h1"
    assert len(text.encode()) < ENOUGH
    assert [name for name in CHARTS if f'id="plot-{name}"' in text] == [
        name for name in CHARTS if name in figures
    ]


def test_a_served_run_draws_every_chart(tmp_path):
    _, _, figures = written(write_run(tmp_path))
    assert sorted(figures) == sorted([*CHARTS, "replicas"])


def test_only_tiers_with_hits_are_shown(tmp_path):
    _, _, figures = written(write_run(tmp_path, tiers=("hbm", "ssd")))
    assert [trace["name"] for trace in figures["hits"]["data"]] == ["HBM", "SSD"]


def test_axes_have_units_and_targets_are_marked(tmp_path):
    _, _, figures = written(write_run(tmp_path))
    layout = {name: figure["layout"] for name, figure in figures.items()}
    assert layout["ttft"]["xaxis"]["title"]["text"] == "Time to first token, s"
    assert layout["tpot"]["xaxis"]["title"]["text"] == "Time per output token, ms"
    assert layout["occupancy"]["yaxis"]["title"]["text"] == "KV in GPU memory, GiB"
    assert any("SLO 2 s" in note["text"] for note in layout["ttft"]["annotations"])
    assert any("capacity 14.6 GiB" in note["text"] for note in layout["occupancy"]["annotations"])


def test_a_finding_is_true_of_the_run(tmp_path):
    """Four requests with TTFT of 1, 2, 3 and 4 s against a target of 2 s."""
    folder = write_run(tmp_path, requests=4)
    rows = pd.read_parquet(folder / "requests.parquet")
    for part in ("queue", "load", "transfer", "other"):
        rows[part] = 0
    rows["prefill"] = np.array([1, 2, 3, 4]) * SECOND
    rows["first_token"] = rows["arrival"] + rows["prefill"]
    rows["finish"] = rows["first_token"] + SECOND
    rows.to_parquet(folder / "requests.parquet")
    (folder / "summary.json").write_text("{}")
    charts = {chart.name: chart for group in draw(read(folder)).values() for chart in group}
    assert charts["ttft"].finding == (
        "Half of the served requests had their first token within 2.00 s, 99 % within 4.00 s; "
        "50.0 % met the SLO of 2 s"
    )
    assert charts["breakdown"].finding.startswith("Prefill is 100 % of the mean 2.50 s")


def test_a_distribution_of_many_requests_stays_small(tmp_path):
    folder = write_run(tmp_path, requests=50)
    rows = pd.read_parquet(folder / "requests.parquet")
    pd.concat([rows] * 100, ignore_index=True).to_parquet(folder / "requests.parquet")
    _, _, figures = written(folder)
    assert len(figures["ttft"]["data"][0]["x"]) <= POINTS
    assert figures["ttft"]["data"][0]["y"][-1] == 100


def test_rejected_requests_keep_the_curve_below_100(tmp_path):
    folder = write_run(tmp_path, requests=50)
    rows = pd.read_parquet(folder / "requests.parquet")
    rows.loc[:9, ["admitted", "first_token", "finish"]] = None
    rows.loc[:9, "status"] = "rejected"
    rows.to_parquet(folder / "requests.parquet")
    _, _, figures = written(folder)
    assert figures["ttft"]["data"][0]["y"][-1] == 80


def test_the_page_says_which_machine_and_policies_were_simulated(tmp_path):
    text, _, _ = written(write_run(tmp_path, requests=5))
    assert "llama-3.1-8b · 2 × h100-sxm<" in text
    assert "router least_loaded · scheduler chunked_prefill · eviction hbm lru, dram lru<" in text


def test_rejections_and_backlogs_are_found(tmp_path):
    """300 requests in a minute."""
    full = {"requests": 300}
    found = {}
    for status in ("finished", "rejected", "waiting"):
        given = full if status == "finished" else full | {"status": status}
        run = read(write_run(tmp_path / status, **given))
        found[status] = time_charts.rates(run).finding.split(" ", 3)[3]
    assert found["finished"].endswith("and the system kept up")
    assert found["rejected"].endswith("and 100 % were rejected")
    assert found["waiting"].endswith("300 were unfinished when the last one came")


def test_warm_up_is_cut_from_latencies(tmp_path):
    folder = write_run(tmp_path, requests=100)
    scenario = folder / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("from: 0 s", "from: 10 s"))
    run = read(folder)
    assert run.measured["arrival"].min() >= 10 * SECOND
    assert len(run.measured) < len(run.requests) == 100


def test_what_comes_from_outside_is_escaped(tmp_path):
    folder = write_run(tmp_path, requests=30)
    (folder / "scenario.yaml").write_text("name: '<script>alert(1)</script>{{facts}}'\n")
    rows = pd.read_parquet(folder / "requests.parquet")
    rows["reason"] = "</script><b>"
    rows.to_parquet(folder / "requests.parquet")
    text, _, _ = written(folder)
    assert "<script>alert" not in text
    assert "</script><b>" not in text
    assert "{{facts}}" in text


def test_a_partial_run_is_said_to_be_partial(tmp_path):
    folder = write_run(tmp_path, requests=5)
    summary = json.loads((folder / "summary.json").read_text()) | {"partial": "interrupted"}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "spans.parquet").unlink()
    text, _, _ = written(folder)
    assert '<ul class="banner partial" role="alert"><li>Partial: interrupted</li>' in text
    assert "Missing from the run folder: spans.parquet" in text


def test_an_empty_summary_and_missing_columns_are_survived(tmp_path):
    folder = write_run(tmp_path, requests=5)
    (folder / "summary.json").write_text("{}")
    frame = pd.read_parquet(folder / "requests.parquet")
    frame[["id", "arrival", "status"]].to_parquet(folder / "requests.parquet")
    assert "No request got a first token" in written(folder)[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("summary.json", "{", "summary.json cannot be read"),
        ("summary.json", "[1]", "holds list, not a mapping"),
        ("scenario.yaml", "a: [", "scenario.yaml is not YAML"),
        ("requests.parquet", "nonsense", "requests.parquet cannot be read as Parquet"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, said):
    (write_run(tmp_path, requests=2) / name).write_text(content)
    with pytest.raises(InputError, match=said):
        write_report(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no summary\.json"):
        read(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read(tmp_path / "absent")


def test_a_target_for_each_class_is_read(tmp_path):
    folder = write_run(tmp_path, requests=5)
    (folder / "scenario.yaml").write_text(
        "slo: [{class: batch, ttft: 10 s}, {class: chat, ttft: 500 ms, tpot: 50 ms}]"
    )
    run = read(folder)
    assert run.targets("ttft") == [("chat", 0.5), ("batch", 10.0)]
    assert run.targets("tpot") == [("chat", 0.05)]


def test_targets_of_other_classes_are_named_and_scaled_ones_have_no_place(tmp_path):
    folder = write_run(tmp_path, requests=5)
    (folder / "scenario.yaml").write_text(
        'slo: [{class: chat, prompt: "> 100", ttft: 1 s, tpot: 5x}, {client: a, ttft: 5x}]'
    )
    run = read(folder)
    assert run.targets("ttft") == [("chat, prompt > 100", 1.0)]
    assert run.targets("tpot") == []


def test_the_page_is_the_same_each_time(tmp_path):
    folder = write_run(tmp_path, requests=30)
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_the_command_writes_the_page_and_prints_its_path(tmp_path):
    folder = write_run(tmp_path / "a run [1]", requests=5)
    app = Typer()
    app.command()(report)
    result = CliRunner().invoke(app, [str(folder)])
    assert result.exit_code == 0
    assert result.stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").is_file()


def test_a_request_is_explained_by_what_went_on_around_it(tmp_path):
    """Arrivals at 0, 1 and 2 s, admitted at 0, 5 and 6 s: the second went before the third."""
    folder = write_run(tmp_path, requests=3, replicas=1)
    rows = pd.read_parquet(folder / "requests.parquet")
    rows["arrival"] = [0, 1 * SECOND, 2 * SECOND]
    rows["admitted"] = [0, 5 * SECOND, 6 * SECOND]
    rows["queue"] = rows["admitted"] - rows["arrival"]
    rows["first_token"] = rows["admitted"] + SECOND
    rows["finish"] = rows["first_token"] + SECOND
    rows.to_parquet(folder / "requests.parquet")
    run = read(folder)
    assert explain(run, 2).startswith("waited 4.00 s of 5.00 s in the queue behind 1 request")
    with pytest.raises(InputError, match=r"has no request 999; its ids go from 0 to 2"):
        explain(run, 999)
