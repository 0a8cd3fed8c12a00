"""A pytest plugin for notebooks under nbval: a cell whose outputs are not the committed ones fails, and a table at the
end says for each notebook what it took and how far its outputs are off.

nbval compares outputs to the letter or, with --nbval-lax, not at all; outputs.py says what "the same" means here. The
kernels run in the workers of pytest-xdist; what is measured reaches the table as properties of the tests' reports.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from jupyter_client import KernelManager
from memory_meter import MemoryMeter
from nbval.plugin import IPyNbCell, coalesce_streams
from outputs import compare, complaint, tolerance

PEAK, PICTURE, NUMBER = "kernel_peak_mb", "picture_difference", "number_difference"


@dataclass
class Row:
    """One notebook's line of the table: seconds, MB, and how far what it shows is off, with the cell that is worst."""

    seconds: float = 0.0
    peak: float = 0.0
    picture: float = 0.0
    picture_cell: str = ""
    number: float = 0.0
    number_cell: str = ""

    def add(self, report: pytest.TestReport) -> None:
        """Add what one phase of one cell's test reports."""
        cell, measured = report.nodeid.rpartition("::")[2], dict(report.user_properties)
        self.seconds += report.duration
        self.peak = max(self.peak, measured.get(PEAK, 0.0))
        if measured.get(PICTURE, 0.0) > self.picture:
            self.picture, self.picture_cell = measured[PICTURE], cell
        if measured.get(NUMBER, 0.0) > self.number:
            self.number, self.number_cell = measured[NUMBER], cell

    def __str__(self) -> str:
        took = f"{self.seconds:9.1f}{self.peak:9.0f}"
        return f"{took}{self.picture:17.1f}  {self.picture_cell:8}{self.number:13.1%}  {self.number_cell}".rstrip()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("nbval").addoption(
        "--nbval-outputs",
        choices=["compare", "report"],
        default="compare",
        help="whether a cell whose outputs are not the committed ones fails (compare, the default), or is only "
        "listed in the table (report)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Table(), "nbval-table")


# --- in the process that runs the notebook --------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if not isinstance(item, IPyNbCell):
        return (yield)
    with MemoryMeter(kernel_process(item.parent.kernel.km)) as meter:
        try:
            result = yield
        finally:
            item.user_properties.append((PEAK, meter.read()))
    if item.cell.execution_count is not None:  # else there is nothing committed
        compare_cell(item)
    return result


def kernel_process(manager: KernelManager) -> psutil.Process:
    """The process of a kernel; of a forked one, Jupyter knows the launcher's (see forked_kernel.py)."""
    forked = Path(f"{manager.connection_file}.pid")
    return psutil.Process(int(forked.read_text()) if forked.exists() else manager.provisioner.pid)


def compare_cell(item: IPyNbCell) -> None:
    """Note how far the outputs are off, and fail if that is too far.

    Raises:
        NbCellError: With a line for each difference, and the folder where both outputs can be looked at.
    """
    committed, new = coalesce_streams(item.cell.outputs), item.test_outputs
    difference = compare(committed, new, tolerance(item.cell))
    item.user_properties += [(PICTURE, difference.picture), (NUMBER, difference.number)]
    if difference.defects and item.config.option.nbval_outputs == "compare":
        item.raise_cell_error(complaint(f"{item.path.stem}-cell-{item.cell_num}", committed, new, difference))


# --- in the process that reports ------------------------------------------------------------------------------------


class Table:
    """Collects what the reports of the cells say, and prints a line for each notebook."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, Row] = defaultdict(Row)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = Path(report.nodeid.partition("::")[0])
        if path.suffix == ".ipynb":
            self.rows[path.stem].add(report)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if self.rows:
            terminalreporter.section("notebooks")
            titles = f"{'seconds':>9}{'peak MB':>9}{'grey levels off':>17}{'numbers off':>23}"
            for name, row in [("notebook", titles), *sorted(self.rows.items())]:
                terminalreporter.write_line(f"{name:28}{row}")
