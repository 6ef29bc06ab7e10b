"""Does `kvsim hardware` print what it knows, and nothing but JSON where JSON is asked for?"""

import json

import pytest
from typer.testing import CliRunner

from kvsim.calibration import calibrations
from kvsim.calibration.residuals import residuals
from kvsim.cli.hardware import app
from kvsim.errors import InputError
from kvsim.hardware import drives, gpu, gpus, hosts, nics


@pytest.fixture
def run(monkeypatch):
    """Runs a command in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return call


def test_list_has_everything_in_80_columns(run) -> None:
    text = run("list")
    for name in (*gpus(), *hosts(), *drives(), *nics()):
        assert name in text
    assert max(map(len, text.splitlines())) <= 80


def test_list_as_json_is_one_object(run) -> None:
    found = json.loads(run("list", "--json"))
    assert list(found) == ["gpus", "hosts", "drives", "nics"]
    h100 = next(one for one in found["gpus"] if one["name"] == "h100-sxm")
    assert h100["memory"] == gpu("h100").memory
    assert h100["price"] == gpu("h100").price


def test_show_gives_every_number_its_source(run) -> None:
    text = run("show", "H100")
    assert "h100-sxm" in text
    for wanted in ("79.65 GiB", "3,350 GB/s", "989.4 TFLOP/s", "132", "700 W", "nvidia-smi"):
        assert wanted in text
    assert max(map(len, text.splitlines())) <= 80


def test_show_as_json_is_one_object(run) -> None:
    found = json.loads(run("show", "t4", "--json"))
    assert (found["kind"], found["name"]) == ("gpu", "t4")
    assert found["flops"]["fp16"] == gpu("t4").flops["fp16"]
    assert found["sources"]["flops.fp16"] == gpu("t4").sources["flops.fp16"]
    assert found["residuals"] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("dgx-h100", "host"), ("nvme-gen5", "drive"), ("rdma-400g", "nic"), ("gen5", "pcie")],
)
def test_show_knows_every_kind_of_device(run, name, kind) -> None:
    assert json.loads(run("show", name, "--json"))["kind"] == kind
    assert "source" in run("show", name)


def test_show_reads_a_file_of_ones_own(run, tmp_path) -> None:
    path = tmp_path / "port.yaml"
    path.write_text("bandwidth: 1.25 GB/s\nefficiency: 90 %\nlatency: 20 us\n")
    found = json.loads(run("show", str(path), "--json"))
    assert (found["kind"], found["name"], found["bandwidth"]) == ("nic", "port", 1.25e9)


def test_show_prints_the_errors_of_a_shipped_calibration_and_says_when_there_is_none(run) -> None:
    assert "no shipped calibration" in run("show", "t4")
    for name in calibrations():
        text = " ".join(run("show", name).split())
        for one in residuals(name):
            assert (
                f"{one.points:,} {one.mean:.1%} {one.p50:.1%} {one.p90:.1%} {one.worst:.1%}" in text
            )


def test_an_unknown_name_is_refused_with_a_suggestion(run) -> None:
    with pytest.raises(InputError, match=r"'rdma-20g'.*'rdma-200g'"):
        run("show", "rdma-20g")
