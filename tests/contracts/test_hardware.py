"""Does every device of the catalogue keep its promises?"""

import re
from dataclasses import asdict

import pytest

from kvsim.hardware import (
    drive,
    drives,
    gpu,
    gpus,
    host,
    hosts,
    nic,
    nics,
    pcie,
    pcies,
    price,
    prices,
)

DEVICES = [
    *(gpu(name) for name in gpus()),
    *(host(name) for name in hosts()),
    *(drive(name) for name in drives()),
    *(nic(name) for name in nics()),
    *(pcie(name) for name in pcies()),
    *(price(name_or_path=name) for name in prices()),
]
GPUS = [gpu(name) for name in gpus()]
DATED = re.compile(r"\b20[12]\d\b|\b(recalled|derived|assumed):|by arithmetic")
SOLD = re.compile(r"(\d+) GB\b")
every_device = pytest.mark.parametrize("device", DEVICES, ids=lambda one: one.name)
every_gpu = pytest.mark.parametrize("card", GPUS, ids=lambda one: one.name)


def numbers(device) -> list[tuple[str, float]]:
    """Every number of a device by its dotted field."""
    found = []
    for name, value in asdict(device).items():
        inner = value if isinstance(value, dict) and name != "sources" else {"": value}
        for part, number in inner.items():
            if isinstance(number, int | float) and not isinstance(number, bool):
                found.append((f"{name}.{part}".rstrip("."), number))
    return found


@every_device
def test_every_number_has_a_source_and_no_source_is_left_over(device) -> None:
    described = {"depths"} & device.sources.keys()
    assert {field for field, _ in numbers(device)} | described == device.sources.keys()


@every_device
def test_every_source_says_when_it_was_read_or_that_it_was_not(device) -> None:
    for source in device.sources.values():
        assert re.search(DATED, source), source


@every_device
def test_numbers_are_positive(device) -> None:
    free = {"network"} if "network" in device.sources else set()
    assert all(number > 0 for field, number in numbers(device) if field not in free)


@every_gpu
def test_narrower_formats_are_not_slower(card) -> None:
    assert card.peak(16) <= card.peak(8)
    assert card.peak(16) <= card.peak(4)
    assert card.flops.get("fp8", card.peak(16)) >= card.peak(16)
    assert card.flops["fp32"] < card.peak(16)
    assert card.flops.get("tf32", 0) <= card.peak(16)


@every_gpu
def test_the_driver_reports_no_more_than_is_sold(card) -> None:
    sold = SOLD.search(card.title)
    assert card.visible is None or 0.95 * card.memory < card.visible <= card.memory
    if sold is not None:
        assert 0.9 * int(sold[1]) * 2**30 < card.memory <= int(sold[1]) * 2**30


@every_gpu
def test_links_are_slower_the_further_they_reach(card) -> None:
    assert card.host.payload < card.host.bandwidth < card.bandwidth
    if card.peer is not None:
        assert card.host.payload < card.peer.payload < card.peer.bandwidth < card.bandwidth


def test_no_two_gpus_answer_to_one_name() -> None:
    from kvsim.hardware.gpu import SHELF

    words = SHELF.words()
    assert len(words) == len(set(words))
    assert all(word == word.lower() for word in words)


def test_the_catalogue_has_what_people_run_on() -> None:
    wanted = "a100-40gb a100-80gb h100-sxm h100-pcie h200 h20 b200 gb200 mi300x mi308x l4 l40s a10g"
    wanted += " t4 v100 a6000 rtx-3090 rtx-4090 rtx-pro-6000"
    assert set(wanted.split()) <= set(gpus())
    assert {"nvme-gen3", "nvme-gen4", "nvme-gen5", "nvme-of"} <= set(drives())
    assert {"ethernet-25g", "ethernet-100g", "rdma-100g", "rdma-200g", "rdma-400g"} <= set(nics())
