"""Are devices found by any of their names, read right, and refused with a reason?"""

import pickle

import pytest

from kvsim.errors import InputError
from kvsim.hardware import Drive, Link, drive, gpu, gpus, host, nic, pcie, price
from kvsim.units import SECOND

MINE = """
title: My card
memory: 10 GiB
bandwidth: 1 TB/s
flops: {fp16: 100 TFLOP/s, int8: 200 TFLOP/s}
l2: 4 MiB
sms: 50
host: {pcie: pcie-4, lanes: 8}
power: 200 W
"""


@pytest.fixture
def mine(tmp_path):
    """Writes my card with one line replaced, and reads it."""

    def read(old: str = "", new: str = ""):
        path = tmp_path / "mine.yaml"
        path.write_text(MINE.replace(old, new))
        return gpu(str(path))

    return read


def test_fields_are_bytes_flops_and_nanoseconds() -> None:
    h100 = gpu("h100-sxm")
    assert h100.memory == 81559 * 2**20
    assert h100.visible == 81089 * 2**20
    assert h100.bandwidth == pytest.approx(3.35e12)
    assert h100.peak(16) == pytest.approx(989.4e12)
    assert h100.peer == Link(bandwidth=450e9, latency=600, duplex=True, efficiency=0.86)
    assert h100.host.bandwidth == pytest.approx(16 * 8e9 * 4 * 128 / 130 / 8, rel=1e-4)
    assert h100.power == 700


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("h100", "h100-sxm"), ("H100-SXM", "h100-sxm"), ("H100 80GB", "h100-sxm"),
        ("a100", "a100-80gb"), ("A100_40GB", "a100-40gb"), ("rtx4090", "rtx-4090"),
        ("4090", "rtx-4090"), ("MI300", "mi300x"), (" l40s ", "l40s"),
    ],
)  # fmt: skip
def test_aliases_and_case_do_not_matter(typed, name) -> None:
    assert gpu(typed).name == name


def test_what_was_read_once_is_not_read_again() -> None:
    assert gpu("h100") is gpu("h100-sxm")


@pytest.mark.parametrize(
    ("typed", "hint"), [("h10", "'h100'"), ("rtx-4900", "'rtx-4090'"), ("abacus", "Allowed: a100")]
)
def test_unknown_names_come_with_a_suggestion(typed, hint) -> None:
    with pytest.raises(InputError, match=f"{typed}.*{hint}"):
        gpu(typed)


def test_a_file_of_ones_own_needs_no_sources(mine) -> None:
    card = mine()
    assert (card.name, card.title, card.sms) == ("mine", "My card", 50)
    assert card.host.bandwidth == pytest.approx(31.508e9 / 2)
    assert card.peer is None
    assert card.price is None
    assert card.sources["memory"] == "mine.yaml, which names no source"


def test_peaks_fall_back_to_what_the_gpu_can_multiply(mine) -> None:
    card = mine()
    assert card.peak(16) == card.peak("bf16") == card.peak(4) == 100e12
    assert card.peak(8) == 200e12
    assert card.peak("fp8") == 100e12
    assert gpu("b200").peak(4) == 2 * gpu("b200").peak(8) == 4 * gpu("b200").peak(16)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("10 GiB", "10", "memory: 10 has no unit"),
        ("10 GiB", "-10 GiB", "memory: '-10 GiB' is negative"),
        ("10 GiB", "0 GiB", "memory: '0 GiB' must be above zero"),
        ("1 TB/s", "1 TB", "bandwidth: '1 TB' is not a bandwidth"),
        ("100 TFLOP/s", "100", "flops.fp16: '?100'? is not a compute rate"),
        ("fp16: 100 TFLOP/s, ", "", "flops: needs bf16 or fp16"),
        ("sms: 50", "sms: 50.5", "sms: 50.5 is not a count"),
        ("sms: 50", "sms: -1", "sms: -1 must be above zero"),
        ("sms: 50", "", "sms: is missing"),
        ("sms: 50", "sms: 50\nsmss: 1", "smss: unknown field. Did you mean 'sms'"),
        ("l2: 4 MiB", "l2: {value: 4 MiB}", "l2: needs both"),
        ("l2: 4 MiB", "l2: {value: 4 MiB, sorce: x}", "l2: unknown key 'sorce'.*'source'"),
        ("pcie-4", "pcie-9", "no PCIe generation 'pcie-9'"),
        ("lanes: 8", "lanes: 0", "host.lanes: 0 must be above zero"),
        ("lanes: 8", "lanes: many", "host.lanes: found 'many', where a int belongs"),
        ("200 W", "200 BTU", "power: '200 BTU' is not a power. Write it as '700 W'"),
        ("host: {pcie: pcie-4, lanes: 8}", "host: fast", "host: found 'fast'"),
        ("title: My card", "title: [", "is not YAML"),
        (MINE, "", "holds no fields"),
    ],
)
def test_errors_name_the_file_the_field_and_the_fault(mine, old, new, said) -> None:
    with pytest.raises(InputError, match=said) as caught:
        mine(old, new)
    assert "mine.yaml" in str(caught.value) or "catalogue" in str(caught.value)


def test_a_missing_file_is_said_to_be_missing() -> None:
    with pytest.raises(InputError, match=r"no-such\.yaml cannot be read: No such file"):
        gpu("no-such.yaml")


def test_a_link_carries_its_payload_after_headers() -> None:
    assert Link(100.0, efficiency=0.8).payload == 80
    assert nic("roce-100g").link.payload == pytest.approx(100e9 / 8 * 0.98)
    assert pcie("gen3").link(4).bandwidth == pytest.approx(pcie("pcie-3").bandwidth / 4)


def test_drive_writes_per_day_follow_from_endurance() -> None:
    one = drive("nvme-gen5")
    assert one.writes_per_day == pytest.approx(35.04e15 / 6.4e12 / 1825)
    assert drive("micron-7450").writes_per_day == pytest.approx(1, abs=0.05)


def test_reads_rise_with_queue_depth_by_littles_law_up_to_the_limit() -> None:
    one = drive("nvme-gen4")
    assert one.depths == ()
    assert one.reads(1) == pytest.approx(SECOND / one.read_latency)
    assert one.reads(8) == pytest.approx(8 * one.reads(1))
    assert one.reads(10_000) == one.read_iops


def test_reads_follow_a_measured_curve_where_there_is_one(tmp_path) -> None:
    path = tmp_path / "fio.yaml"
    path.write_text(
        "capacity: 1 TB\nread: 3 GB/s\nwrite: 1 GB/s\nread_iops: 400000 /s\nwrite_iops: 1e5 /s\n"
        "read_latency: 80 us\nwrite_latency: 20 us\n"
        "depths: {value: {32: 300000 /s, 2: 20000 /s, 128: 390000 /s}, source: fio}\n"
    )
    one: Drive = drive(str(path))
    assert [one.reads(depth) for depth in (1, 2, 17, 32, 500)] == [1e4, 2e4, 1.6e5, 3e5, 3.9e5]
    assert one.writes_per_day is None
    path.write_text(path.read_text().replace("390000", "39"))
    with pytest.raises(InputError, match=r"fio\.yaml: depths: .*never fall"):
        drive(str(path))


def test_prices_are_those_of_the_gpu_and_can_be_replaced() -> None:
    listed = price(gpu("h100"))
    assert listed.gpu == gpu("h100").price
    assert listed.sources["gpu"] == gpu("h100").sources["price"]
    mine = listed.over(gpu=1.5, ssd=0.0)
    assert (mine.gpu, mine.ssd, mine.dram) == (1.5, 0.0, listed.dram)
    assert mine.sources["gpu"] == "given by the user"
    assert price(gpu("h20")).gpu is None
    with pytest.raises(InputError, match=r"price of dram, -1, is negative"):
        listed.over(dram=-1)


def test_hosts_count_all_sockets() -> None:
    node = host("dgx-h100")
    assert node.bandwidth == pytest.approx(16 * 8 * 4.8e9)
    assert (node.cores, node.numa, node.gpus) == (112, 2, 8)


def test_devices_can_be_sent_to_other_processes() -> None:
    for name in gpus():
        assert pickle.loads(pickle.dumps(gpu(name))) == gpu(name)
        assert hash(gpu(name)) == hash(pickle.loads(pickle.dumps(gpu(name))))
