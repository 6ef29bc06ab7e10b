"""What a serving engine adds to its kernels: memory it sets aside and time on the host."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.models import Model

FOLDER = Path(__file__).resolve().parent / "engines"


@dataclass(frozen=True)
class EngineProfile:
    """One engine's overheads. Every number's source is in its YAML file."""

    name: str
    title: str
    utilization: float
    """Share of the HBM that the engine takes by default."""
    context_bytes: int
    """CUDA context, libraries and communication buffers of one GPU."""
    graph_bytes: int
    """Captured CUDA graphs of one GPU."""
    activation_tensors: float
    """Largest sum of live activations in a step, in units of tokens x MLP width x 2 bytes."""
    step_ns: int
    """Host time of a step that its GPU waits for."""
    sequence_ns: int
    """The same for each sequence of the step."""
    request_ns: int
    """Tokenisation and HTTP before a request reaches the queue."""
    sampler_ns: int
    """Smallest time to turn logits into tokens."""
    sampler_passes: float
    """How often the sampler reads or writes all logits of its rows."""
    prompt_step_ns: int
    """The same for a step that holds prompts, on top."""
    prompt_layer_ns: int
    """Host time to launch one layer of a step that holds prompts, which no CUDA graph does: the
    step takes that many times its layers at least."""
    spare_slots: Mapping[str, int] = field(hash=False)
    """Slots of the largest batch that no request gets, by version of the engine."""
    runs_ahead: bool
    """The next step is scheduled while one runs, so that a newcomer waits for both."""
    graph_sizes: tuple[int, ...]
    """Batch sizes with a captured graph: decode batches are padded to them."""

    def padded(self, tokens: int) -> int:
        """The batch size that is really computed for `tokens` decodes."""
        sizes = self.graph_sizes
        if not sizes or tokens > sizes[-1]:
            return tokens
        return sizes[bisect_left(sizes, tokens)]

    def activation_bytes(self, model: Model, tokens: int, tensor: int) -> int:
        """Peak of live activations on one GPU in a step of `tokens` tokens."""
        widest = max(m.n for m in model.matmuls(tensor) if m.rows != "sampled")
        return int(self.activation_tensors * tokens * (widest + 2 * model.hidden) * 2)


def engines() -> list[str]:
    """Names of the profiles."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def engine(name: str) -> EngineProfile:
    """A profile by name. Raises InputError for an unknown one."""
    import yaml

    if name not in engines():
        raise InputError(f"engine: there is no profile {name!r}.{perhaps(name, engines())}")
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return _profile(name, yaml.safe_load(text))


def _profile(name: str, fields: dict[str, Any]) -> EngineProfile:
    from kvsim.units import duration, size

    return EngineProfile(
        name,
        str(fields["title"]),
        float(fields["utilization"]),
        size(fields["context"]),
        size(fields["graphs"]),
        float(fields["activation_tensors"]),
        duration(fields["step"]),
        duration(fields["sequence"]),
        duration(fields["request"]),
        duration(fields["sampler"]),
        float(fields["sampler_passes"]),
        duration(fields["prompt_step"]),
        duration(fields["prompt_layer"]),
        dict(fields["spare_slots"]),
        bool(fields["runs_ahead"]),
        tuple(fields["graph_sizes"]),
    )
