"""What a machine room costs by the hour. Prices go stale: each is dated and can be replaced."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kvsim.errors import InputError
from kvsim.hardware.amounts import dollars
from kvsim.hardware.gpu import GPU
from kvsim.hardware.sheet import Sheet
from kvsim.hardware.shelf import Shelf


@dataclass(frozen=True)
class Price:
    """US dollars per hour.

    A rented GPU node comes with DRAM, drives and network; the prices of those three say what more
    of each costs, or what a node of one's own may be charged for them.
    """

    name: str
    title: str
    gpu: float | None
    """Per GPU and hour. None: nobody lists one, so the user must."""
    dram: float
    """Per GiB and hour."""
    ssd: float
    """Per TiB and hour."""
    network: float
    """Per network port and hour."""
    dated: str
    """When the prices were read, year and month."""
    sources: Mapping[str, str] = field(hash=False, repr=False, compare=False)
    """Where each price was read, by field."""

    def over(
        self,
        gpu: float | None = None,
        dram: float | None = None,
        ssd: float | None = None,
        network: float | None = None,
    ) -> "Price":
        """The same, with the user's own prices in place of those that are given."""
        mine = {"gpu": gpu, "dram": dram, "ssd": ssd, "network": network}
        given = {part: amount for part, amount in mine.items() if amount is not None}
        for part, amount in given.items():
            if amount < 0:
                raise InputError(f"The price of {part}, {amount!r}, is negative.")
        return replace(
            self,
            gpu=given.get("gpu", self.gpu),
            dram=given.get("dram", self.dram),
            ssd=given.get("ssd", self.ssd),
            network=given.get("network", self.network),
            sources={**self.sources, **dict.fromkeys(given, "given by the user")},
        )


def _read(sheet: Sheet, name: str) -> Price:
    """Prices from their sheet."""
    return Price(
        name=name,
        title=sheet.plain("title", name),
        gpu=sheet.optional("gpu", dollars("h"), zero=True),
        dram=sheet.number("dram", dollars("GiB/h"), zero=True),
        ssd=sheet.number("ssd", dollars("TiB/h"), zero=True),
        network=sheet.number("network", dollars("h"), zero=True),
        dated=sheet.plain("dated", "undated"),
        sources=sheet.sources,
    )


SHELF = Shelf("price list", "prices.yaml", _read)


def price(gpu: GPU | None = None, name_or_path: str = "cloud") -> Price:
    """A price list of the catalogue or of a file, with the price of `gpu` put in."""
    listed = SHELF.find(name_or_path)
    if gpu is None or listed.gpu is not None:
        return listed
    told = gpu.sources.get("price", f"no public price for {gpu.title}")
    return replace(listed, gpu=gpu.price, sources={**listed.sources, "gpu": told})


def prices() -> list[str]:
    """Names of the price lists in the catalogue."""
    return SHELF.names()
