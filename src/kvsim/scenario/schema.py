"""What a scenario may say, nested as the machine is nested: facts and choices, nothing runs."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    model_validator,
)

from kvsim.scenario.objectives import Objectives, Targets
from kvsim.scenario.part import Duration, Part
from kvsim.traces.generators import kinds
from kvsim.units import size

Bytes = Annotated[int, BeforeValidator(size), PlainSerializer(lambda value: f"{value} B")]
"""In YAML a string with a unit; bytes from then on."""
Choice = str | dict[str, dict[str, Any] | None]
"""A policy's name, or `{name: {field: value}}`."""
Bits = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "int4"]
WIDTHS = {"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "fp4": 4, "int4": 4}
"""Bits per element of each number format."""


REPLICAS = 10_000
"""Of a pool, at most: the largest of which building takes seconds."""


class Precision(Part):
    """Number formats."""

    weights: Bits = "bf16"
    kv: Bits = "bf16"


class Node(Part):
    """One server."""

    gpu: str = "h100-sxm"
    """A GPU of the catalogue, or a file of one's own."""
    gpus: int = Field(8, ge=1)
    host: str = "dgx-h100"
    """A host of the catalogue: its DRAM's bandwidth."""
    interference: float = Field(1.0, ge=0)
    """HBM bytes that a byte moved over PCIe costs the running step: 1 is the copy itself."""
    interleave: bool = False
    """KV in DRAM lies evenly on all sockets, and what lies on others comes over the link between
    them; otherwise it lies on the socket of the GPU that reads or writes it."""
    gpus_per_uplink: int = Field(1, ge=1)
    """GPUs that share one PCIe link to the host, behind a switch."""


class Parallel(Part):
    """How one replica is spread over GPUs."""

    tensor: int = Field(1, ge=1)
    pipeline: int = Field(1, ge=1)

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline


class Autoscale(Part):
    """Between which numbers of replicas a pool may change its size, and what starting one takes."""

    min: int = Field(1, ge=1)
    max: int = Field(ge=1, le=REPLICAS)
    startup: Duration | None = None
    """From the decision to the first request; if left out, the weights are read from the node's
    drives, and the engine starts."""
    device: str = "nvme-gen4"
    drives: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Autoscale":
        if self.max < self.min:
            raise ValueError("`max` must not be less than `min`")
        return self


class Pool(Part):
    """Replicas that are alike."""

    role: Literal["unified", "prefill", "decode"] = "unified"
    """Prefill instances compute prompts and hand KV to decode instances."""
    replicas: int = Field(1, ge=1, le=REPLICAS)
    autoscale: Autoscale | None = None
    """How far `policies.scaling` may change their number; `replicas` is what it begins with."""
    parallel: Parallel = Parallel()
    gpu: str | None = None
    """The node's, if it is left out."""
    blocks: int | None = Field(None, ge=1)
    """KV blocks per replica; `memory.blocks`, if it is left out."""


class Memory(Part):
    """HBM and what of it holds KV."""

    utilization: float | None = Field(None, gt=0, le=1)
    """Share of HBM the engine may use; the engine's own default if it is left out."""
    block_tokens: int = Field(16, ge=1)
    max_model_len: int | None = Field(None, ge=1)
    """Longest prompt plus answer; the model's context if it is left out."""
    blocks: int | None = Field(None, ge=1)
    """KV blocks per replica as the engine itself reports them; computed if left out."""
    prefix_caching: bool = True


class TierSpec(Part):
    """A place below HBM that keeps KV."""

    capacity: Bytes = Field(gt=0)
    """Per node; of the remote pool, altogether."""
    precision: Bits | None = None
    """Number format of the KV kept here; as in HBM if it is left out."""
    backlog: Bytes = 8 * 2**30
    """Bytes that may be on their way in; a tier that falls behind refuses what comes on top."""


class Local(TierSpec):
    """A place that each node has."""

    scope: Literal["node", "cluster"] = "node"
    """Who shares it: the replicas of a node; or all, each node's part holding an even share of all
    KV (as Mooncake's store spreads it by hash)."""
    link: str = "rdma-200g"
    """Port of a node, over which the others reach its part of a cluster's."""


class Dram(Local):
    """The node's main memory."""


class Ssd(Local):
    """The node's drives, side by side."""

    device: str = "nvme-gen4"
    drives: int = Field(1, ge=1)
    chunk_tokens: int = Field(256, ge=1)
    """Tokens that one read or write moves (LMCache stores chunks of 256)."""
    queue_depth: int = Field(32, ge=1)
    """Reads or writes that one transfer has in flight on each drive (assumed: fio's customary)."""
    direct: bool = False
    """Drives and GPUs move data by themselves, past the DRAM (GPUDirect Storage)."""


class Remote(TierSpec):
    """A pool of servers that all nodes reach."""

    scope: Literal["cluster"] = "cluster"
    link: str = "rdma-200g"
    """Port of a node, and of each server."""
    servers: int = Field(1, ge=1)


class Tiers(Part):
    """Places below HBM, fastest first. Each is left out unless it is described."""

    dram: Dram | None = None
    ssd: Ssd | None = None
    remote: Remote | None = None


class Cluster(Part):
    """The machine room."""

    node: Node = Node()
    pools: tuple[Pool, ...] = Field((Pool(),), min_length=1)
    transfer: Literal["layerwise", "request", "pull"] = "layerwise"
    """How KV goes from prefill to decode instances: pushed layer by layer or once a prompt is
    complete, or pulled (as pushed once complete: either way the decode side takes room first)."""
    network: str = "infiniband-400g"
    """Port of a GPU to other nodes."""
    memory: Memory = Memory()
    tiers: Tiers = Tiers()

    @property
    def gpus(self) -> int:
        """GPUs in use."""
        return sum(pool.replicas * pool.parallel.gpus for pool in self.pools)


class Policies(Part):
    """An answer for each question."""

    preset: str | None = None
    """A published system's answers to several questions; what is said beside it wins."""
    router: Choice = "round_robin"
    admission: Choice = "always"
    """Whether a replica takes a request at all."""
    scheduler: Choice = "chunked_prefill"
    predictor: Choice = "none"
    """How long answers will be, for schedulers that order by it."""
    preemption: Choice = "recompute"
    roles: Choice = "fixed"
    """Who computes prompts and who decodes, where pools divide the work."""
    scaling: Choice = "fixed"
    """How many replicas should be up, of pools with `autoscale`."""
    eviction: str | dict[str, str | dict[str, Any] | None] = "lru"
    """One answer for all tiers, or `{hbm: ..., dram: ...}`."""
    placement: str | dict[str, str | dict[str, Any] | None] = "write_through"
    """What the tiers below HBM keep: one answer for all, or `{dram: ..., ssd: ...}`."""
    restore: Choice = "break_even"
    """Whether what they keep is loaded or computed again."""
    attention: Choice = "plain"
    """What decode kernels do about prefixes that sequences of a batch share."""
    residency: Choice = "hbm"
    """Where weights and the KV of running requests live, and who attends to it."""
    allocation: Choice = "paged"
    """What a request's KV space is claimed as."""
    prefetch: Choice = "none"
    """When KV that is on its way up is needed: all of it, or layer by layer."""
    compression: tuple[()] = ()
    """Nothing can be listed here yet."""
    timing: Choice | None = None
    """Fitted where the GPU has a calibration, otherwise roofline, if it is left out."""


class Incident(Part):
    """Something that happens to a replica."""

    at: Duration
    replica: int = Field(ge=0)
    fail: bool = False
    """It loses all it has; its requests start again elsewhere."""
    back_after: Duration | None = None
    """When it is up again, empty; never if left out."""
    slow: float | None = Field(None, gt=0)
    """Its steps take so many times as long..."""
    lasting: Duration | None = Field(None, alias="for")
    """...for so long; to the end if left out."""

    @model_validator(mode="after")
    def _one_thing(self) -> "Incident":
        if self.fail == (self.slow is not None):
            raise ValueError("write either `fail: true` or `slow: 2.0`")
        return self


class Measure(Part):
    """The part of the run that is measured; what arrives before is warm-up."""

    start: Duration = Field(0, alias="from")
    end: Duration | None = Field(None, alias="to")
    waste: bool = False
    """Tell where KV memory went: token states, and what was claimed for nothing."""

    @model_validator(mode="after")
    def _in_order(self) -> "Measure":
        if self.end is not None and self.end <= self.start:
            raise ValueError("`to` must be later than `from`")
        return self


class Prices(Part):
    """Rental prices that replace the catalogue's, in US dollars per hour."""

    gpu: float | None = Field(None, ge=0)
    """Per GPU."""
    dram: float | None = Field(None, ge=0)
    """Per GiB."""
    ssd: float | None = Field(None, ge=0)
    """Per TiB."""
    network: float | None = Field(None, ge=0)
    """Per port."""


class Scenario(Part):
    """Everything a run needs. `kvsim run` prints it back, resolved, as `scenario.yaml`."""

    name: str
    model: str
    precision: Precision = Precision()
    engine: str = "vllm"
    cluster: Cluster = Cluster()
    policies: Policies = Policies()
    workload: dict[str, dict[str, Any]]
    """One of trace, sessions, closed_loop, open_loop, with its fields."""
    slo: Objectives = Targets()
    measure: Measure = Measure()
    events: tuple[Incident, ...] = ()
    """Failures and stragglers."""
    prices: Prices = Prices()
    seed: int = 1

    @model_validator(mode="after")
    def _one_workload(self) -> "Scenario":
        if len(self.workload) != 1:
            found = ", ".join(self.workload) or "none"
            allowed = ", ".join(("trace", *kinds()))
            raise ValueError(f"workload: write one of {allowed}; found {found}.")
        return self
