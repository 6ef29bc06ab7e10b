"""GPUs, hosts, drives and networks: data-sheet numbers with their sources."""

from kvsim.hardware.drive import Drive, drive, drives
from kvsim.hardware.gpu import GPU, gpu, gpus
from kvsim.hardware.host import Host, host, hosts
from kvsim.hardware.link import Link
from kvsim.hardware.nic import Nic, nic, nics
from kvsim.hardware.pcie import Pcie, pcie, pcies
from kvsim.hardware.price import Price, price, prices

__all__ = [
    "GPU",
    "Drive",
    "Host",
    "Link",
    "Nic",
    "Pcie",
    "Price",
    "drive",
    "drives",
    "gpu",
    "gpus",
    "host",
    "hosts",
    "nic",
    "nics",
    "pcie",
    "pcies",
    "price",
    "prices",
]
