"""Run the notebooks in fresh kernels, without a browser, and store their outputs.

    python scripts/run_notebooks.py                    all of them, in order
    python scripts/run_notebooks.py 01_filters solutions/01_filters
    python scripts/run_notebooks.py --check            run nothing; name those whose outputs are older than their code

A notebook's file is replaced only when all its cells have passed. What changes from run to run (timestamps, widget
state, the kernel's version) is not stored, so that a second run changes little or nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from memory_meter import MemoryMeter
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from notebook_files import choose, code_sha256, dumps, has_picture, is_stale, read, write
from slides import mark

LARGEST_FILE = 2_500_000  # bytes: what a browser and a code host still show at once
CELL_TIMEOUT = 300  # seconds
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KERNEL = {  # how a NotebookClient runs one of our notebooks
    "kernel_name": "python3",
    "extra_arguments": ["--IPKernelApp.log_level=ERROR"],  # its warnings are about the connection, not the notebook
    "timeout": CELL_TIMEOUT,
    "coalesce_streams": True,
    "record_timing": False,
    "store_widget_state": False,
}
LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


class NotebookError(Exception):
    """A notebook that did not pass; the message says where and why."""


@dataclass(frozen=True)
class Measurements:
    """What one run took: seconds in all and to the first picture from the kernel's start (None: no picture), and MB."""

    seconds: float
    first_picture: float | None
    peak_memory: float
    file_size: float


class TimedClient(NotebookClient):
    """Runs a notebook and notes when its first picture came."""

    first_picture: float | None = None

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        data = msg["content"].get("data", {})
        if self.first_picture is None and has_picture(data):
            self.first_picture = time.perf_counter()
        return super().process_message(msg, cell, cell_index)


@contextmanager
def running_kernel(client: NotebookClient) -> Iterator[None]:
    """A kernel for the client that is headless, on the CPU, and without the settings of the person who runs it."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    wanted = {"VIZLIB_LIVE": "0", "CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory() as ipython_folder:
        with client.setup_kernel(env=kept | wanted | {"IPYTHONDIR": ipython_folder}):
            yield


def without_widget_views(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Drop the views of widgets, which end with the kernel; a cell's picture or HTML beside them stays.

    Raises:
        NotebookError: There is nothing beside them, so that a page that runs nothing would show nothing.
    """
    views = [output.get("data", {}).pop(WIDGET_VIEW, None) for output in outputs]
    shown = [has_picture(output.get("data", {})) or "text/html" in output.get("data", {}) for output in outputs]
    if any(views) and not any(shown):
        raise NotebookError("a cell shows a widget and nothing else: display a picture or text/html beside it")
    return [output for output, view, stays in zip(outputs, views, shown, strict=True) if stays or not view]


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Leave out what changes from run to run, note which code made the outputs, and which cell is which slide."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("ExecuteTime", None)
        if cell.cell_type == "code":
            cell.outputs = without_widget_views(cell.outputs)
    notebook.metadata = NotebookNode(
        kernelspec=KERNELSPEC, language_info=LANGUAGE_INFO, vizlib={"code_sha256": code_sha256(notebook)}
    )
    return mark(notebook)


def run(path: Path) -> Measurements:
    """Run one notebook and store its outputs.

    Raises:
        NotebookError: A cell failed, took over 300 s or ended the kernel, or the file would be 2.5 MB or more.
            The file is left as it was.
    """
    notebook = read(path)
    client = TimedClient(notebook, resources={"metadata": {"path": str(path.parent)}}, **KERNEL)
    start = time.perf_counter()
    try:
        with running_kernel(client), MemoryMeter(psutil.Process(client.km.provisioner.pid)) as meter:
            client.execute(cleanup_kc=False)
            peak = meter.read()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from error
    seconds = time.perf_counter() - start
    text = dumps(tidy(notebook))
    size = len(text.encode())
    if size >= LARGEST_FILE:
        limit = f"must stay under {LARGEST_FILE / 1e6:g}: show smaller pictures"
        raise NotebookError(f"the file would have {size / 1e6:.2f} MB and {limit}")
    write(path, text)
    first_picture = client.first_picture and client.first_picture - start
    return Measurements(seconds, first_picture, peak, size / 1e6)


def check(paths: list[Path]) -> int:
    """Name the notebooks whose outputs are stale; 1 when there is one, else 0."""
    stale = [path for path in paths if is_stale(read(path))]
    for path in stale:
        print(f"{path.name}: its outputs are older than its code; run `make notebooks`")
    return int(bool(stale))


def run_all(paths: list[Path]) -> int:
    """Run the notebooks, with a line of measurements for each; 1 when one did not pass, else 0."""
    failed = False
    print(f"{'notebook':32}{'seconds':>10}{'to first picture':>18}{'peak MB':>10}{'file MB':>10}")
    for path in paths:
        name = f"{path.parent.name}/{path.name}" if path.parent.name in ("appendix", "solutions") else path.name
        try:
            took = run(path)
        except NotebookError as error:
            failed = True
            print(f"{name:32}failed, and was left as it was\n{error}", flush=True)
            continue
        picture = "none" if took.first_picture is None else f"{took.first_picture:.1f}"
        print(f"{name:32}{took.seconds:10.1f}{picture:>18}{took.peak_memory:10.0f}{took.file_size:10.2f}", flush=True)
    return int(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to run (default: all)")
    parser.add_argument("--check", action="store_true", help="run nothing; name those with stale outputs")
    args = parser.parse_args()
    paths = choose(args.names)
    return check(paths) if args.check else run_all(paths)


if __name__ == "__main__":
    sys.exit(main())
