"""Does `kvsim trace` show, convert and check what it is given?"""

import json

import pytest
from shared import shared
from trace_samples import SAMPLES, bailian, jsonl, written
from typer.testing import CliRunner

from kvsim.cli.trace import app
from kvsim.errors import InputError
from kvsim.traces import formats
from kvsim.traces.trace import recorded
from kvsim.units import SECOND


def trace(*words: object) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_formats():
    assert list(json.loads(trace("formats", "--json"))) == list(formats())
    table = trace("formats")
    assert "mooncake" in table
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("name", list(SAMPLES))
def test_inspect_as_json(name, tmp_path):
    path = written(tmp_path, SAMPLES[name])
    found = json.loads(trace("inspect", path, "--json"))
    assert found["file"] == str(path)
    assert found["format"] == name
    assert found["requests"] == len(list(recorded(path)))


@pytest.mark.parametrize("name", list(SAMPLES))
def test_inspect_fits_a_narrow_screen(name, tmp_path):
    shown = trace("inspect", written(tmp_path, SAMPLES[name])).splitlines()
    assert all(len(line) <= 80 for line in shown[1:])  # the first is the file's name


def test_inspect_shows_the_published_numbers():
    shown = trace("inspect", shared("traces/mooncake_conversation.jsonl.gz"))
    for words in ("12,031", "3,537 s", "3.40/s", "3.03", "1.97", "288,500", "182,790", "126,195"):
        assert words in shown


def test_convert_keeps_sessions(tmp_path):
    rows = [bailian(1, -1, 5.0, 20, [1, 2]), bailian(2, 1, 7.25, 40, [1, 3], turn=2)]
    source, out = written(tmp_path, jsonl(*rows)), tmp_path / "out.jsonl.gz"
    assert trace("convert", source, out) == ""
    before, after = list(recorded(source)), list(recorded(out))
    shift = 5 * SECOND
    assert [t.request._replace(arrival=t.request.arrival - shift) for t in before] == [
        t.request for t in after]  # fmt: skip


def test_convert_to_vidur(tmp_path):
    out = tmp_path / "out.csv"
    trace("convert", written(tmp_path, SAMPLES["azure"]), out, "--to", "vidur")
    assert out.read_text().splitlines()[1:] == ["0.000000000,4808,10"]


def test_convert_lays_out_what_has_no_times(tmp_path):
    source, out = written(tmp_path, SAMPLES["lengths"] * 1 + "5,6\n7,8\n"), tmp_path / "out.csv"
    trace("convert", source, out, "--to", "vidur", "--every", "500 ms", "--limit", 2)
    assert out.read_text().splitlines()[1:] == ["0.000000000,3772,54", "0.500000000,5,6"]
    with pytest.raises(InputError, match="does not say when"):
        trace("convert", source, out)


def test_convert_draws_from_servegen(tmp_path):
    out = tmp_path / "out.jsonl"
    trace("convert", written(tmp_path, SAMPLES["servegen"]), out)
    assert len(list(recorded(out))) == 60  # 0.1/s over 600 s


@pytest.mark.parametrize(
    ("text", "words"),
    [("sessions: {rate: 1/s}\nopen_loop: {}\n", "write one workload: sessions, open_loop"),
     ("session: {}\n", "'session' is not generated. Did you mean 'sessions'"),
     ("sessions: 5\n", "sessions: found 5"), ("- 1\n", "write one workload"),
     ("a: [\n", "is not YAML")],
)  # fmt: skip
def test_generate_wants_one_workload(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        trace("generate", written(tmp_path, text), tmp_path / "out.jsonl")
