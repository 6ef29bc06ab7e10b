"""Where the HBM of a replica goes, and how much KV is left room for."""

from dataclasses import dataclass, replace

from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.steps import seeing
from kvsim.errors import InputError
from kvsim.hardware import GPU
from kvsim.models import Layer, Model
from kvsim.scenario.allocating import claimed
from kvsim.scenario.choices import answer
from kvsim.scenario.schema import WIDTHS, Pool, Scenario
from kvsim.sim.batch import Windowed
from kvsim.sim.policy import Claim, Residence

GB = 10**9


@dataclass(frozen=True)
class Shape:
    """What a sequence takes on a replica, all its GPUs together."""

    claim: Claim
    """What it is claimed in."""
    block_bytes: int
    """A block in all layers that see everything."""
    windows: tuple[Windowed, ...]
    """Layers that see a part, alike ones together."""
    state_bytes: int
    """What linear layers keep of a sequence, however long."""

    def sights(self, model: Model, tensor: int) -> tuple[int | None, ...]:
        """Per attention class of the step times: the window that limits what it reads."""
        places = {(w.tokens, w.restarts): index for index, w in enumerate(self.windows)}
        return tuple(
            None if one.window is None else places[one.window, one.kind == "chunk"]
            for one in seeing(model, tensor)
        )

    @property
    def reusable(self) -> bool:
        """Whether a prefix can be shared: a linear state cannot be cut at a block."""
        return not self.state_bytes


def shape(scenario: Scenario, model: Model, pool: Pool) -> Shape:
    """The layout of `model` as the memory of a replica of `pool` sees it.

    A model whose layers all have windows keeps everything, as engines without a hybrid allocator
    do: its windows then limit what is read and take no memory of their own.
    """
    tensor, claim = pool.parallel.tensor, claimed(scenario, model, pool)
    kv_bits = WIDTHS[scenario.precision.kv]
    kernel = answer("attention", scenario.policies.attention).kernel()
    if kernel is not None and kernel.spread:
        tensor = 1  # tokens are split over the GPUs: no head is kept twice
    full, windows = 0, dict[tuple[int, bool], int]()
    for layer in model.layers:
        size = _block_bytes(layer, tensor, kv_bits, claim.block)
        if layer.kind in ("full", "latent"):
            full += size
        elif layer.kind in ("window", "chunk"):
            assert layer.window is not None
            key = (layer.window, layer.kind == "chunk")
            windows[key] = windows.get(key, 0) + size
    if not full:
        full, windows = sum(windows.values()), dict.fromkeys(windows, 0)
    sights = tuple(Windowed(tokens, size, chunk) for (tokens, chunk), size in windows.items())
    return Shape(claim, full, sights, model.layout.state_bytes(kv_bits))


def _block_bytes(layer: Layer, tensor: int, bits: int, block_tokens: int) -> int:
    """Heads are split over GPUs, and copied where there are fewer heads than GPUs."""
    heads = -(layer.kv_heads // -tensor) * tensor
    return heads * (layer.key_width + layer.value_width) * bits * block_tokens // 8


@dataclass(frozen=True)
class Capacity:
    """HBM of one GPU of a replica, in bytes, and the KV of the whole replica."""

    reported: int
    """What the driver reports."""
    usable: int
    """The share of it the engine may use."""
    weights: int
    activations: int
    context: int
    """The CUDA context and libraries."""
    graphs: int
    """Captured CUDA graphs."""
    gpus: int
    block_tokens: int
    block_bytes: int
    blocks: int | None = None
    """Those in HBM as the user gave them; computed from what is left if not."""
    elsewhere: int = 0
    """Bytes of KV that are kept outside HBM while requests run, by a worker that attends."""
    inside: bool = True
    """Whether HBM keeps KV too."""

    @property
    def left(self) -> int:
        """Bytes of one GPU that are left for KV."""
        return self.usable - self.weights - self.activations - self.context - self.graphs

    @property
    def hbm(self) -> int:
        """Bytes of KV that fit into the HBM of the replica."""
        if not self.inside:
            return 0
        if self.blocks is not None:
            return self.blocks * self.block_bytes
        return max(self.left * self.gpus, 0)

    @property
    def bytes(self) -> int:
        """Bytes of KV that fit into the replica."""
        total = self.hbm + self.elsewhere
        return total - total % self.block_bytes if self.block_bytes else total

    @property
    def tokens(self) -> int | None:
        """Tokens of KV that fit into the replica; None for a model that keeps a state only."""
        if not self.block_bytes:
            return None
        return self.bytes // self.block_bytes * self.block_tokens


def capacity(
    scenario: Scenario,
    pool: Pool,
    model: Model,
    gpu: GPU,
    engine: EngineProfile,
    tokens: int,
    home: Residence | None = None,
) -> Capacity:
    """The memory of one replica of `pool` whose largest step computes `tokens` tokens.

    Of what is not all in HBM, `home` says where it is.

    Raises InputError when the model does not fit, saying by how much.
    """
    memory, parallel = scenario.cluster.memory, pool.parallel
    whole = shape(scenario, model, pool)
    block_bytes = whole.block_bytes + sum(window.block_bytes for window in whole.windows)
    home = home or Residence()
    weights = model.weights_bytes(WIDTHS[scenario.precision.weights])
    weights = round(weights * home.weights)
    made = Capacity(
        reported=gpu.visible or gpu.memory,
        usable=int((gpu.visible or gpu.memory) * (memory.utilization or engine.utilization)),
        weights=-(weights // -parallel.gpus),
        activations=engine.activation_bytes(model, tokens, parallel.tensor),
        context=engine.context_bytes,
        graphs=engine.graph_bytes,
        gpus=parallel.gpus,
        block_tokens=whole.claim.block,
        block_bytes=block_bytes,
        elsewhere=home.worker.capacity if home.worker is not None else 0,
        inside=home.worker is None or home.hbm_first,
    )
    blocks = pool.blocks if pool.blocks is not None else memory.blocks
    if blocks is not None:
        given = replace(made, blocks=blocks * memory.block_tokens // whole.claim.block)
        if weights + given.hbm > made.reported * made.gpus:
            raise InputError(_blocks_do_not_fit(scenario, gpu, given, blocks))
        return given
    wanted = max(block_bytes, whole.state_bytes) if made.inside else 0
    if made.left * made.gpus < wanted:
        raise InputError(_does_not_fit(scenario, pool, gpu, made))
    return made


def _blocks_do_not_fit(scenario: Scenario, gpu: GPU, given: Capacity, blocks: int) -> str:
    over = given.weights + given.hbm / given.gpus - given.reported
    return (
        f"cluster.memory.blocks: {blocks} blocks beside the weights of {scenario.model} need "
        f"{(given.reported + over) / GB:.1f} GB of each GPU; {gpu.name} has "
        f"{given.reported / GB:.1f} GB, {over / GB:.1f} GB too little."
    )


def _does_not_fit(scenario: Scenario, pool: Pool, gpu: GPU, made: Capacity) -> str:
    parallel = pool.parallel
    over = made.block_bytes // made.gpus - made.left
    place = f"cluster.pools.{scenario.cluster.pools.index(pool)}"
    return (
        f"{scenario.model} does not fit: each {gpu.name} may use {made.usable / GB:.1f} GB, and "
        f"needs {made.weights / GB:.1f} GB for weights ({scenario.precision.weights}, tensor "
        f"{parallel.tensor} x pipeline {parallel.pipeline}), {made.activations / GB:.1f} GB for "
        f"activations and {(made.context + made.graphs) / GB:.1f} GB for the CUDA context and "
        f"graphs: {over / GB:.1f} GB too much. Raise {place}.parallel.tensor, take fewer bits "
        f"(precision.weights), or a larger GPU."
    )
