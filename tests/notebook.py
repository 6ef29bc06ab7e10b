"""A notebook run by this interpreter, in a folder of its own."""

import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


class Kernel(AsyncKernelManager):
    """Python as it runs here, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="here", language="python")


def executed(name: str, folder: Path, ask: str) -> tuple[Any, Any]:
    """All cells of a notebook run, and what `ask`, put behind them, prints."""
    document = nbformat.read(FOLDER / name, as_version=4)
    document.cells.append(nbformat.v4.new_code_cell(ask))
    client = NotebookClient(
        document,
        kernel_manager_class=Kernel,
        timeout=500,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return document, "".join(part.get("text", "") for part in document.cells[-1].outputs)


def words(cell: Any) -> str:
    """The text of a cell's outputs that people read."""
    return "\n".join(part.get("data", {}).get("text/markdown", "") for part in cell.outputs)
