"""What CPUs and drives do when they attend. Not a policy itself."""

from kvsim.sim.policy import Site

DRAM_SHARE = 0.7
"""Share of DRAM bandwidth that an attention kernel on the CPU reaches (assumed: STREAM triad on
server CPUs is at 70 to 85 % of channels x transfer rate)."""
CORE_FLOPS = 50e9
"""FLOP/s a core reaches in attention: 40 % of two AVX-512 fused multiply-adds of 16 fp32 lanes at
2 GHz, 128 GFLOP/s (share assumed)."""
ACTIVATION_BYTES = 2


def attended(site: Site, bandwidth: float, cores: int) -> float:
    """KV bytes per second that `cores` attend to: as fast as DRAM or arithmetic allows.

    A token's KV meets every query head of its layer, 4 FLOPs per head and element pair.
    """
    flops = 4 * site.layers * site.hidden
    return min(bandwidth * DRAM_SHARE, cores * CORE_FLOPS * site.token / flops)


def exchanged(site: Site) -> int:
    """Bytes per sequence and layer: query and output as wide as the model, one token's KV."""
    return 2 * site.hidden * ACTIVATION_BYTES + site.token // site.layers
