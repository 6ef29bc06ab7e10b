"""Do layouts say what the published models store, hold and compute?"""

import json

import pytest

from kvsim.errors import InputError
from kvsim.models import model, names

LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    "max_position_embeddings": 512,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llama-3.1-8b", 32 * 2 * 8 * 128 * 2),
        ("llama-3.1-70b", 80 * 2 * 8 * 128 * 2),
        ("deepseek-v3", 61 * (512 + 64) * 2),
        ("opt-13b", 40 * 2 * 40 * 128 * 2),
    ],
)
def test_kv_bytes_per_token_follow_from_the_layers(name, expected) -> None:
    assert model(name).layout.bytes_per_token() == expected


def test_the_catalogue_has_what_people_ask_for() -> None:
    assert len(names()) >= 40


@pytest.mark.parametrize("name", names())
def test_parameters_are_what_the_makers_state(name) -> None:
    one = model(name)
    assert one.published is not None
    assert one.parameters == pytest.approx(one.published, rel=0.01)


@pytest.mark.parametrize("name", names())
def test_token_flops_are_two_per_active_parameter_of_the_layers(name) -> None:
    one = model(name)
    matrices = one.token_flops() / 2
    embeddings = one.vocabulary * one.hidden * (1 if one.tied else 2)
    assert matrices == pytest.approx(one.active_parameters - embeddings, rel=0.02)


def test_a_small_config_by_hand(tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    one = model(str(path))
    layer = 64 * (4 * 16 + 2 * 2 * 16) + 64 * 64 + 3 * 64 * 128 + 2 * 64
    assert one.parameters == 2 * layer + 2 * 100 * 64 + 64
    assert one.layout.bytes_per_token() == 2 * 2 * 2 * 16 * 2
    assert [m.name for m in one.matmuls()] == ["qkv", "o", "up", "down", "lm_head"]
    assert model(str(tmp_path)).parameters == one.parameters


def test_shards_hold_their_heads_and_copy_those_that_are_too_few() -> None:
    one = model("llama-3.1-8b")
    assert one.layout.bytes_per_token(16, 4) * 4 == one.layout.bytes_per_token(16)
    assert one.layout.bytes_per_token(16, 16) == 32 * 2 * 1 * 128 * 2
    assert model("deepseek-v3").layout.bytes_per_token(16, 8) == 70272
    qkv = next(m for m in one.matmuls(16) if m.name == "qkv")
    assert qkv.n == 4096 // 16 + 2 * 128


def test_windows_fill_up_and_then_take_no_more() -> None:
    layout = model("gemma-3-27b").layout
    full = sum(kind == "full" for kind in layout.kinds())
    each = 2 * 16 * 128 * 2
    assert layout.kinds().count("window") == 52
    assert layout.bytes(100_000) - layout.bytes(99_999) == full * each
    assert layout.bytes(1000) == 1000 * 62 * each


def test_recurrent_models_keep_a_state_and_nothing_per_token() -> None:
    layout = model("mamba2-2.7b").layout
    assert layout.bytes_per_token() == 0
    assert layout.bytes(1) == layout.bytes(100_000) == layout.state_bytes()


def test_shared_layers_cut_what_is_stored_and_not_what_is_read() -> None:
    one = model("hunyuan-large")
    stored, read = one.layout.bytes_per_token(), sum(a.read_bytes(16) for a in one.attention())
    assert read == 2 * stored


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "bert"}, "model_type 'bert' is not one that kvsim can read"),
        ({"hidden_size": None}, "hidden_size or d_model is missing"),
        ({"hidden_size": -64}, "hidden_size is -64; it must be a whole number > 0"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers is 'two'"),
        ({"vocab_size": 1.5}, "vocab_size is 1.5"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, change, said) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | change))
    with pytest.raises(InputError, match=said) as caught:
        model(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_file_and_an_unknown_name() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        model("nowhere/config.json")
    with pytest.raises(InputError, match=r"Did you mean 'llama-3.1-8b'"):
        model("llama-3.1-8")
