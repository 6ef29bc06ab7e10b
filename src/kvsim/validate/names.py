"""What others call models, GPUs and engines, in the catalogue's words."""

import re

from kvsim.calibration import engines
from kvsim.errors import InputError
from kvsim.hardware import gpu
from kvsim.models import model
from kvsim.models.catalogue import names

SUFFIXES = (
    "instruct", "it", "chat", "hf", "base", "fp8", "fp4", "nvfp4", "bf16", "fp16", "awq", "gptq",
    "int4", "int8", "w8a8", "w4a16", "dynamic", "quantized", "kv", "block", "dense", "2507", "0528",
    "0324", "2501", "v0.2", "v0.1", "preview", "tput", "mxfp4", "2411", "2409", "2407", "turbo",
    "thinking", "moe",
)  # fmt: skip
"""Parts of a repository's name that say nothing about the shape of the model."""
GPUS = {
    "h100": "h100-sxm", "h100-sxm5": "h100-sxm", "h200-sxm": "h200", "b200-sxm": "b200",
    "a100": "a100-80gb", "a100-sxm": "a100-80gb", "a100-sxm4-80gb": "a100-80gb",
    "gb200-nvl72": "gb200", "gb200-sxm": "gb200", "rtx-pro-6000-server": "rtx-pro-6000",
    "rtxpro6000": "rtx-pro-6000", "rtx4090": "rtx-4090", "rtx3090": "rtx-3090",
    "nvidia-rtx-pro-6000-blackwell-server-edition": "rtx-pro-6000",
}  # fmt: skip
ENGINES = {"tensorrt-llm": "trtllm", "trt-llm": "trtllm", "tensorrt_llm": "trtllm", "trt": "trtllm"}


def model_of(told: str) -> str:
    """The catalogue's name of a model, or its path. Raises InputError where there is none."""
    try:
        model(told)
        return told
    except InputError:
        pass
    short = _short(told)
    if short not in names():
        raise InputError(f"model {told!r} is not in the catalogue")
    return short


def _short(told: str) -> str:
    """`meta-llama/Llama-3.1-8B-Instruct` as `llama-3.1-8b`."""
    found = told.rstrip("/").rsplit("/", 1)[-1].lower().replace("_", "-")
    found = re.sub(r"^(meta|nvidia|qwen(?=-qwen)|redhatai|unsloth)-", "", found)
    while True:
        for name in (found, found.replace("llama3", "llama-3"), re.sub(r"-v\d.*$", "", found)):
            if name in names():
                return name
        head, dash, tail = found.rpartition("-")
        if not dash or tail not in SUFFIXES:
            return found
        found = head


def gpu_of(told: str) -> str:
    """The catalogue's name of a GPU, or its path. Raises InputError where there is none."""
    plain = told.lower().replace("_", "-").replace(" ", "-")
    plain = plain.removeprefix("nvidia-") if plain not in GPUS else plain
    name = GPUS.get(plain, plain)
    try:
        return gpu(name).name
    except InputError:
        raise InputError(f"GPU {told!r} is not in the catalogue") from None


def engine_of(told: str) -> str:
    """An engine profile's name. Raises InputError where there is none."""
    name = ENGINES.get(told.lower(), told.lower())
    if name not in engines():
        raise InputError(f"engine {told!r} has no profile; there are {', '.join(engines())}")
    return name
