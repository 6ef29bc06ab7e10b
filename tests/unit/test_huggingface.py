"""Is a Hugging Face config read as its authors meant, and is what cannot be read said plainly?"""

import json
from pathlib import Path
from typing import Any

import pytest
from configs import BASE, LATENT, SMALL

from kvsim.errors import InputError
from kvsim.models import Model, model
from kvsim.models.config import Config, Origin
from kvsim.models.huggingface import READERS, WRAPPERS
from kvsim.models.huggingface import read as read_config

NOUGHT_ALLOWED = {
    "n_shared_experts",
    "num_shared_expert",
    "first_k_dense_replace",
    "attn_layer_offset",
    "expert_layer_offset",
    "max_window_layers",
}
"""Fields where 0 means something."""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads a config from a file, as a user would."""

    def from_file(model_type: str, config: dict[str, Any]) -> Model:
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"model_type": model_type, **config}))
        return model(file)

    return from_file


def test_there_is_a_small_config_for_every_family() -> None:
    assert set(SMALL) == set(READERS)


@pytest.mark.parametrize("model_type", SMALL)
def test_parameters_and_kinds_follow_from_the_fields(read: Any, model_type: str) -> None:
    small = SMALL[model_type]
    found = read(model_type, small.config)
    assert found.parameters == small.parameters
    assert found.layout.kinds() == small.kinds


@pytest.mark.parametrize(
    ("model_type", "name"),
    [(kind, name) for kind, small in SMALL.items() for name in small.config],
)
def test_a_wrong_value_is_refused_by_name(model_type: str, name: str) -> None:
    config = {"model_type": model_type, **SMALL[model_type].config}
    may_be_nought = name in NOUGHT_ALLOWED or isinstance(config[name], bool)
    for value in (-1, 1.5, "8", {}, [3.5], *(() if may_be_nought else (0,))):
        changed = Config({**config, name: value}, Origin("x", "x", "x"), "config.json")
        with pytest.raises(InputError, match=f"config.json: field '{name}"):
            read_config(changed)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        (kind, name)
        for kind, small in SMALL.items()
        for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size")
        if name in small.config and (kind, name) not in (
            ("rwkv6", "intermediate_size"), ("gemma3_text", "vocab_size"),
        )
    ],
)  # fmt: skip
def test_a_missing_field_is_named(read: Any, model_type: str, name: str) -> None:
    config = {key: value for key, value in SMALL[model_type].config.items() if key != name}
    with pytest.raises(InputError, match=f"field '{name}' is missing; it should be"):
        read(model_type, config)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_language_model_of_a_multimodal_one_is_read(read: Any, wrapper: str) -> None:
    inner = {"model_type": "llama", **BASE}
    found = read(wrapper, {"text_config": inner, "tie_word_embeddings": True, "vision_config": {}})
    assert found.tied
    assert found.parameters == SMALL["llama"].parameters - 10 * 8


def test_a_complaint_about_a_nested_field_says_where(read: Any) -> None:
    inner = {"model_type": "llama", **BASE, "hidden_size": "big"}
    with pytest.raises(InputError, match=r"config.json, in 'text_config': field 'hidden_size'"):
        read("llama4", {"text_config": inner})
    with pytest.raises(InputError, match="field 'text_config' is missing"):
        read("llama4", {})


def test_an_unknown_architecture_gets_a_suggestion(read: Any) -> None:
    with pytest.raises(InputError, match=r"'qwen3moe', which kvsim cannot read. Did you mean"):
        read("qwen3moe", BASE)


def test_every_reader_is_offered_where_nothing_is_close(read: Any) -> None:
    with pytest.raises(InputError, match=r"It reads deepseek_v2, .*, yi\."):
        read("zzz", BASE)


@pytest.mark.parametrize(
    ("model_type", "change", "complaint"),
    [
        ("llama", {"num_key_value_heads": 3}, "a divisor of 4, the query heads"),
        ("llama", {"num_attention_heads": 3, "num_key_value_heads": 3}, "a divisor of 8"),
        ("llama", {"num_hidden_layers": 10**9}, "at most 10000 layers"),
        ("llama", {"num_hidden_layers": True}, "is true; it should be a positive integer"),
        ("mixtral", {"num_local_experts": 2, "num_experts_per_tok": 3}, "at most 2, the number"),
        ("gemma2", {"layer_types": ["full_attention"]}, "a list of 2 values"),
        ("gemma2", {"layer_types": ["full_attention", "odd"]}, r"layer_types\[1\]' is \"odd\""),
        ("mistral", {"layer_types": ["sliding_attention"] * 2}, "'sliding_window' is missing"),
        ("minimax", {"num_local_experts": 4, "num_experts_per_tok": 2}, "'attn_type_list' is"),
        ("minimax_m2", {"num_local_experts": 4, "num_experts_per_tok": 2,
                        "shared_intermediate_size": 3}, "kvsim cannot model. Supported: 0"),
    ],
)  # fmt: skip
def test_fields_that_contradict_each_other_are_refused(
    read: Any, model_type: str, change: dict[str, Any], complaint: str
) -> None:
    config = {**BASE, "sliding_window": 16} if model_type == "gemma2" else BASE
    with pytest.raises(InputError, match=complaint):
        read(model_type, {**config, **change})


def test_what_opt_350m_does_is_refused_not_misread(read: Any) -> None:
    opt = SMALL["opt"].config
    with pytest.raises(InputError, match="'word_embed_proj_dim' is 4, which kvsim cannot model"):
        read("opt", {**opt, "word_embed_proj_dim": 4})
    with pytest.raises(InputError, match="'do_layer_norm_before' is false"):
        read("opt", {**opt, "do_layer_norm_before": False})


def test_mamba_heads_must_fill_the_inner_width(read: Any) -> None:
    with pytest.raises(InputError, match="'num_heads' is 5; it should be 'expand'"):
        read("mamba2", {**SMALL["mamba2"].config, "num_heads": 5})


def test_latent_attention_without_a_query_latent(read: Any) -> None:
    found = read("deepseek_v2", {**LATENT, "q_lora_rank": None})
    assert [product.name for product in found.matmuls()][:2] == ["q", "kv_a"]
    # the query projection, straight, in place of the two through the latent and its norm
    change = 8 * 4 * 5 - (8 * 6 + 6 * 4 * 5 + 6)
    assert found.parameters == SMALL["deepseek_v2"].parameters + 3 * change


def test_falcon_with_one_kv_head_for_all(read: Any) -> None:
    old = {**SMALL["falcon"].config, "new_decoder_architecture": False, "multi_query": True}
    assert read("falcon", old).layers[0].kv_heads == 1
    assert read("falcon", {**old, "multi_query": False}).layers[0].kv_heads == 4


def test_jamba_may_leave_the_rank_of_dt_to_the_hidden_size(read: Any) -> None:
    jamba = SMALL["jamba"].config
    auto = read("jamba", {**jamba, "mamba_dt_rank": "auto"})  # 8 / 16, rounded up
    assert auto == read("jamba", {**jamba, "mamba_dt_rank": 1})


def test_gemma_3_files_leave_out_the_usual_heads(read: Any) -> None:
    usual = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
    found = read("gemma3", {"text_config": {
        "model_type": "gemma3_text", **usual, "sliding_window": 1024}})  # fmt: skip
    shipped = model("gemma-3-4b")
    assert (found.layers, found.parameters) == (shipped.layers, shipped.parameters)
    assert (found.vocabulary, found.context) == (262_208, 131_072)


def test_llama_4_says_which_layers_are_rotary(read: Any) -> None:
    config = {**SMALL["llama4_text"].config, "no_rope_layers": [0, 1, 1, 0]}
    assert read("llama4_text", config).layout.kinds() == ["full", "chunk", "chunk", "full"]
    config["no_rope_layers"] = []
    assert read("llama4_text", config).layout.kinds() == ["chunk", "chunk", "chunk", "full"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"model_type": "llama",\n oops}', r"line 2, column 2: not JSON"),
        ("[1]", "holds list, not an object"),
        ("{}", "field 'model_type' is missing"),
        ("[" * 100_000, "not a JSON text file|not JSON"),
        (b"\xff\xfe\x00", "not a JSON text file"),
    ],
)
def test_a_file_that_is_no_config_is_refused(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=complaint):
        model(file)


def test_a_folder_stands_for_its_config_and_gives_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **BASE}))
    found = model(str(folder))
    assert found.name == "my-model"
    assert found.source == str(folder / "config.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read \(No such file"):
        model(tmp_path / "none.json")
