"""Measured devices as `kvsim.hardware` describes them: the GPU or processor, the host, the drive.

Every value names its source, as in the catalogue. What was not measured is not there, and a device
that cannot be described without it is left out.
"""

from typing import Any

from kvsim.calibration.samples import Samples
from kvsim.errors import InputError
from kvsim.hardware import gpu
from kvsim.hardware.gpu import FORMATS, SHELF

Fields = dict[str, Any]
MINE = "measured by kvsim calibrate"
LARGE = 1 << 22
BOTH_WAYS = 1.4
"""Both directions together over the faster one, from which on a link counts as duplex."""
GPUS = {"h100-80gb-hbm3": "h100-sxm", "a100-sxm4-80gb": "a100-80gb", "a100-sxm4-40gb": "a100-40gb",
        "a100-80gb-pcie": "a100-80gb"}  # fmt: skip
"""Names that drivers tell, and those of the catalogue."""


def known(name: str) -> str | None:
    """A driver's name of a GPU in the catalogue."""
    plain = (
        "-".join(name.lower().replace("_", " ").split())
        .removeprefix("nvidia-")
        .removeprefix("tesla-")
    )
    return SHELF.known(GPUS.get(plain, plain))


def devices(samples: Samples, like: str | None) -> dict[str, Fields]:
    """By kind, as the shelves of the catalogue call them."""
    found = {"GPU": _gpu(samples, like), "host": _host(samples), "drive": _drive(samples)}
    return {kind: fields for kind, fields in found.items() if fields is not None}


def _said(value: float, unit: str, source: str) -> Fields:
    return {"value": f"{value:.12g} {unit}".strip(), "source": source}


def _gpu(samples: Samples, like: str | None) -> Fields:
    device = samples.device
    fields = _sheet(like) if like else _found(samples)
    told = "as the device says" if device["kind"] == "gpu" else "as the system says"
    fields["title"] = device["name"]
    if not like:
        fields["memory"] = _said(device["memory"], "B", told)
    elif device["kind"] == "gpu":
        fields["visible"] = _said(device["memory"], "B", told)
    return {**fields, "host": _link(samples, fields)}


def _sheet(like: str) -> Fields:
    """A catalogue's GPU, written out with its sources."""
    one = gpu(like)

    def at(field: str, value: float, unit: str) -> Fields:
        return {"value": f"{value:.17g} {unit}", "source": one.sources.get(field, like)}

    flops = {
        name: at(f"flops.{name}", one.flops[name], "FLOP/s")
        for name in FORMATS
        if name in one.flops
    }
    peer = one.peer and {
        "bandwidth": at("peer.bandwidth", one.peer.bandwidth, "B/s"),
        "latency": at("peer.latency", one.peer.latency, "ns"),
        "duplex": one.peer.duplex,
        "efficiency": at("peer.efficiency", one.peer.efficiency * 100, "%"),
    }
    fields = {
        "memory": at("memory", one.memory, "B"),
        "bandwidth": at("bandwidth", one.bandwidth, "B/s"),
        "flops": flops,
        "l2": at("l2", one.l2, "B"),
        "sms": {"value": one.sms, "source": one.sources["sms"]},
        "peer": peer,
        "host": {
            "bandwidth": at("host.bandwidth", one.host.bandwidth, "B/s"),
            "latency": at("host.latency", one.host.latency, "ns"),
            "efficiency": at("host.efficiency", one.host.efficiency * 100, "%"),
        },
    }
    if one.power is not None:
        fields["power"] = at("power", one.power, "W")
    if one.price is not None:
        fields["price"] = at("price", one.price, "USD/h")
    return fields


def _found(samples: Samples) -> Fields:
    """A device without a data sheet: its peaks are the best that was measured."""
    device = samples.device
    large = 4 * (device.get("l2") or 1 << 24)
    groups = ("stream", "gemm", "decode") if device["kind"] == "gpu" else ("dram", "gemm")
    speeds = [samples.best(group, large) or samples.best(group) for group in groups]
    rates: dict[str, float] = {}
    for row in samples.of("gemm"):
        rates[row["form"]] = max(rates.get(row["form"], 0.0), row["flops"] / row["ns"] * 1e9)
    best = f"{MINE}: the best of all points"
    return {
        "bandwidth": _said(max(speed for speed in speeds if speed), "B/s", best),
        "flops": {form: _said(rate, "FLOP/s", best) for form, rate in rates.items()},
        "l2": _said(device.get("l2") or 1, "B", "as the system says"),
        "sms": {"value": device["sms"], "source": "as the system says"},
        "peer": None,
    }


def _link(samples: Samples, fields: Fields) -> Fields:
    """To the host: the slower direction's pinned copies; a processor's is its own memory."""
    ways = [
        samples.best("links", LARGE, way=way, pinned=True, load="none") for way in ("h2d", "d2h")
    ]
    speeds = [speed for speed in ways if speed]
    if not speeds:
        copied = samples.best("dram", way="copy")
        if samples.device["kind"] == "gpu" or copied is None:
            return _unmeasured(fields)
        return {"bandwidth": _said(copied / 2, "B/s", f"{MINE}: copies in DRAM"), "latency": "0 ns"}
    both = samples.best("links", LARGE, way="both", pinned=True, load="none")
    small = [row["ns"] for row in samples.of("links", pinned=True, load="none", blocks=1)]
    source = f"{MINE}: pinned copies, the slower direction"
    return {
        "bandwidth": _said(min(speeds), "B/s", source),
        "latency": _said(
            round(min(small)), "ns", f"{MINE}: the smallest copy, its launch included"
        ),
        "duplex": both is None or both > BOTH_WAYS * max(speeds),
    }


def _unmeasured(fields: Fields) -> Fields:
    if "host" not in fields:
        raise InputError(
            "The link to the host was not measured, and no GPU of the catalogue is known to have "
            "the same: name one with --like, or measure the group links (of a processor: dram)."
        )
    return dict(fields["host"])


def _host(samples: Samples) -> Fields | None:
    speed, host = samples.best("dram", way="copy"), samples.host
    if speed is None:
        return None
    return {
        "title": host["name"],
        "memory": _said(host["memory"], "B", "as the system says"),
        "bandwidth": _said(speed, "B/s", f"{MINE}: copies by all cores, bytes read and written"),
        "cores": {"value": host["cores"], "source": "as the system says"},
        "numa": {"value": 1, "source": "assumed: not looked up"},
        "gpus": {"value": samples.device.get("gpus", 1), "source": "as the system says"},
    }


def _drive(samples: Samples) -> Fields | None:
    """By the drive's own curve of reads; None where no folder was given or small reads failed."""
    least = min((row["block"] for row in samples.of("disk")), default=0)
    small = {way: list(samples.of("disk", way=way, block=least)) for way in ("read", "write")}
    if not all(small.values()):
        return None
    rows = list(samples.of("disk"))
    direct = "O_DIRECT" if all(row["direct"] for row in rows) else "the page cache in between"
    source = f"{MINE} with {'fio' if rows[0]['by'] == 'fio' else 'its own reader'}, {direct}"
    curve, most = {}, 0.0
    for row in sorted(small["read"], key=lambda row: int(row["depth"])):
        most = max(most, 1e9 / row["ns"])
        curve[row["depth"]] = f"{most:.6g} /s"
    fields: Fields = {
        "title": str(samples.document["ssd"]),
        "capacity": _said(samples.document.get("ssd_capacity") or 1, "B", "as the system says"),
        "depths": {"value": curve, "source": source},
    }
    for way, found in small.items():
        fields[way] = _said(samples.best("disk", way=way) or 0, "B/s", source)
        fields[f"{way}_iops"] = _said(max(1e9 / row["ns"] for row in found), "/s", source)
        first = min(found, key=lambda row: int(row["depth"]))
        fields[f"{way}_latency"] = _said(round(first["latency_ns"]), "ns", source)
    return fields
