"""What the machine says of itself. Only read; no clock or setting is touched."""

import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from .dram import cores

SMI = (
    "name",
    "driver_version",
    "memory.total",
    "power.limit",
    "clocks.max.sm",
    "clocks.max.mem",
    "pcie.link.gen.max",
    "pcie.link.width.max",
    "mig.mode.current",
)


def facts(device: str) -> dict[str, Any]:
    """Everything that can be told of host and device."""
    found: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "command": "python -m " + " ".join(["kernels", *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {name: _version(name) for name in ("numpy", "torch", "triton")},
        "host": {"name": processor(), "cores": cores(), "memory": _memory(), "cache": _cache()},
    }
    return {**found, "device": _cpu() if device == "cpu" else _gpu(device)}


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cache() -> int:
    """Bytes of the last cache, as Linux tells it."""
    found = 0
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = size.read_text(encoding="utf-8").strip()
        found = max(found, int(text.rstrip("KM")) << (20 if text.endswith("M") else 10))
    return found


def _cpu() -> dict[str, Any]:
    from .processor import library

    return {"kind": "cpu", "name": processor(), "memory": _memory(), "sms": cores(),
            "l2": _cache(), "library": library()}  # fmt: skip


def _gpu(device: str) -> dict[str, Any]:
    import torch

    index = torch.device(device).index or 0
    shown = torch.cuda.get_device_properties(index)
    return {
        "kind": "gpu",
        "name": shown.name,
        "memory": shown.total_memory,
        "sms": shown.multi_processor_count,
        "l2": getattr(shown, "L2_cache_size", 0),
        "capability": f"{shown.major}.{shown.minor}",
        "cuda": torch.version.cuda,
        "gpus": torch.cuda.device_count(),
        "smi": _smi(index),
    }


def _smi(index: int) -> dict[str, str]:
    if not shutil.which("nvidia-smi"):
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(SMI)}", "--format=csv,noheader", f"-i={index}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = (value.strip() for value in done.stdout.strip().split(","))
    return dict(zip(SMI, values, strict=False))
