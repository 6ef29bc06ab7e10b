"""From a Hugging Face config.json to a Model: which family reads which `model_type`."""

from collections.abc import Callable
from pathlib import Path

from kvsim.errors import InputError, perhaps
from kvsim.models.config import Config, load
from kvsim.models.families import (
    decoders,
    deepseek,
    gemma,
    hunyuan,
    llama,
    llama4,
    mixtral,
    recurrent,
    rwkv,
)
from kvsim.models.model import Model

READERS: dict[str, Callable[[Config], Model]] = {
    "deepseek_v2": deepseek.deepseek_v2,
    "deepseek_v3": deepseek.deepseek_v3,
    "falcon": decoders.falcon,
    "gemma2": gemma.gemma2,
    "gemma3_text": gemma.gemma3,
    "glm4_moe": mixtral.glm4_moe,
    "gpt_oss": mixtral.gpt_oss,
    "hunyuan": hunyuan.hunyuan,
    "jamba": recurrent.jamba,
    "kimi_k2": deepseek.deepseek_v3,
    "llama": llama.llama,
    "llama4_text": llama4.llama4,
    "mamba2": recurrent.mamba2,
    "minimax": recurrent.minimax,
    "minimax_m1": recurrent.minimax,
    "minimax_m2": mixtral.minimax_m2,
    "minimax_text_01": recurrent.minimax,
    "mistral": llama.mistral,
    "mixtral": mixtral.mixtral,
    "opt": decoders.opt,
    "phi": decoders.phi,
    "phi3": llama.phi3,
    "qwen2": llama.qwen2,
    "qwen2_moe": mixtral.qwen2_moe,
    "qwen3": llama.qwen3,
    "qwen3_moe": mixtral.qwen3_moe,
    "qwen3_vl_moe_text": mixtral.qwen3_moe,
    "qwen3_vl_text": llama.qwen3,
    "rwkv6": rwkv.rwkv6,
    "yi": llama.llama,
}

WRAPPERS = ("gemma3", "kimi_k25", "llama4", "mistral3", "qwen3_vl", "qwen3_vl_moe")
"""Multimodal types whose language model is described in `text_config`; the rest is left out."""


def model_types() -> list[str]:
    """Every `model_type` that can be read."""
    return sorted([*READERS, *WRAPPERS])


def read(config: Config) -> Model:
    """The model that a config describes. Raises InputError where it cannot be read."""
    kind = config.word("model_type")
    if kind in WRAPPERS:
        return read(config.within("text_config", inherited=("tie_word_embeddings",)))
    if kind not in READERS:
        raise InputError(
            f"{config.where}: field 'model_type' is {kind!r}, which kvsim cannot read."
            + (perhaps(kind, model_types()) or f" It reads {', '.join(model_types())}.")
        )
    return READERS[kind](config)


def read_file(path: Path) -> Model:
    """The model described by the config.json at `path`, or in the folder `path`."""
    return read(load(path))
