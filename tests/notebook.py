"""A notebook run by this interpreter, in a folder of its own.

    python tests/notebook.py

runs all of them and keeps what comes out, without times of day.
"""

import sys
import tempfile
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


def executed(name: str, folder: Path, *asked: str) -> Any:
    """All cells of a notebook run, and behind them cells with what is `asked`."""
    document = nbformat.read(FOLDER / name, as_version=4)
    document.cells += [nbformat.v4.new_code_cell(one) for one in asked]
    client = NotebookClient(
        document, kernel_manager_class=Kernel, timeout=500, record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute()
    return document


def words(cell: Any) -> str:
    """The text of a cell's outputs that people read."""
    return "\n".join(part.get("data", {}).get("text/markdown", "") for part in cell.outputs)


def printed(cell: Any) -> str:
    """What a cell has printed."""
    return "".join(part.get("text", "") for part in cell.outputs)


def main() -> None:
    """Run all notebooks anew."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(path.name, Path(folder)), path)


if __name__ == "__main__":
    main()
