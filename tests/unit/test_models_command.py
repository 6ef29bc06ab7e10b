"""Does `kvsim models` say what the catalogue holds, to people and to programs?"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kvsim.cli.models import app, count, size, tokens
from kvsim.errors import InputError
from kvsim.models import names


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_show_prints_one_json_object() -> None:
    found = json.loads(run("show", "jamba-1.5-mini", "--json"))
    layers = found.pop("layers")
    assert found == {
        "name": "jamba-1.5-mini",
        "title": "Jamba 1.5 Mini 52B A12B",
        "source": "huggingface.co/ai21labs/AI21-Jamba-1.5-Mini",
        "context": 262_144,
        "vocabulary": 65_536,
        "hidden": 4096,
        "kv_bytes_per_token": 16_384,
        "state_bytes": 8_716_288,
        "weights_bytes": 2 * found["parameters"],
        "parameters": pytest.approx(51.6e9, rel=0.01),
        "active_parameters": pytest.approx(12.1e9, rel=0.01),
    }
    assert layers[:5] == ["linear", "linear", "linear", "linear", "full"]
    assert len(layers) == 32


def test_list_prints_every_model() -> None:
    found = json.loads(run("list", "--json"))["models"]
    assert [each["name"] for each in found] == names()
    table = run("list")
    assert all(name in table for name in names())


@pytest.mark.parametrize(
    "arguments", [("list",), *(("show", name) for name in ("deepseek-v3", "minimax-m1", "phi-2"))]
)
def test_tables_fit_80_columns(arguments: tuple[str, ...]) -> None:
    assert max(map(len, run(*arguments).splitlines())) <= 80


def test_show_says_what_matters() -> None:
    shown = " ".join(run("show", "deepseek-v3").split())
    assert "parameters 671 B" in shown
    assert "KV per token, bf16 68.6 KiB" in shown
    assert "61 latent 128 1 576" in shown
    assert "expert_down 7168 2048 58 experts 256 8" in shown


def test_layers_that_share_are_shown_together() -> None:
    shown = " ".join(run("show", "hunyuan-large").split())
    assert "32 full 80 8 80 80 32 shared 80 8 80 80" in shown


def test_show_reads_a_config_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    fields = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 4, "vocab_size": 10}  # fmt: skip
    file.write_text(json.dumps({"model_type": "llama", **fields}))
    found = json.loads(run("show", str(file), "--json"))
    assert found["kv_bytes_per_token"] == 2 * 2 * 8 * 2
    assert found["context"] == 1 << 20
    assert "context 1M" in " ".join(run("show", str(file)).split())


def test_bad_input_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no model 'lama'"):
        run("show", "lama")


def test_numbers_for_people() -> None:
    assert [count(n) for n in (7, 8_030_261_248, 999_900_000, 1_026_408_000_000)] == [
        "7", "8.03 B", "1000 M", "1.03 T",
    ]  # fmt: skip
    assert [size(n) for n in (0, 131_072, 70_272, 3 * 2**40)] == [
        "0 B", "128 KiB", "68.6 KiB", "3,072 GiB",
    ]  # fmt: skip
    assert [tokens(n) for n in (2048, 2**20, 1000)] == ["2k", "1M", "1000"]
