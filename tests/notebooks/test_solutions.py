"""The solutions run, say and show what they did, and leave nothing behind.

They share one kernel, each with an empty namespace: starting one and importing torch takes longer than most of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from notebook_files import NOTEBOOKS, read
from outputs import compare, complaint, tolerance
from run_notebooks import KERNEL, running_kernel

SOLUTIONS = sorted(NOTEBOOKS.glob("solutions/*.ipynb"))

# A fresh process has another state of these generators, and the same for each notebook; theirs may use them.
BEGIN = """\
%reset -f
import random, numpy, torch
random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
%reset -f"""

# What one notebook could change for the next one, in a process that they share; not what importing a library changes.
STATE = """\
import os, threading, matplotlib, numpy, torch, torch.nn.modules.module
import vizlib.plot, vizlib.widgets.check
_ = {
    "folder": os.getcwd(),
    "environment": {n: v for n, v in os.environ.items() if n.startswith(("OMP_", "MPL", "VIZLIB_"))},
    "threads that run on": sorted(thread.name for thread in threading.enumerate() if not thread.daemon),
    "torch": (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "hooks": {n: len(h) for n, h in vars(torch.nn.modules.module).items() if n.startswith("_global_") and "hooks" in n
              and hasattr(h, "__len__")},
    "matplotlib": dict(matplotlib.rcParams),
    "numpy": (numpy.geterr(), numpy.get_printoptions()),
}
for name, value in _.items():
    print(name, value)"""


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config) -> Iterator[NotebookClient]:
    """A kernel among the solutions, one for each process that runs tests."""
    options = KERNEL | {"kernel_name": pytestconfig.option.nbval_kernel_name or KERNEL["kernel_name"]}
    client = NotebookClient(new_notebook(), resources={"metadata": {"path": str(NOTEBOOKS / "solutions")}}, **options)
    with running_kernel(client):
        yield client


def output_of(client: NotebookClient, code: str) -> str:
    """What a piece of code prints that belongs to no notebook."""
    client.nb = new_notebook(cells=[new_code_cell(code)])
    outputs = client.execute_cell(client.nb.cells[0], 0).outputs
    return "".join(output.text for output in outputs)


def run(client: NotebookClient, notebook: NotebookNode, name: str) -> Iterator[str]:
    """Run a notebook's cells in an empty namespace, and say for each how its outputs are not the committed ones."""
    output_of(client, BEGIN)
    client.nb = notebook
    for index, cell in enumerate(notebook.cells):
        committed = cell.get("outputs", [])
        try:
            client.execute_cell(cell, index)
        except CellExecutionError as error:
            pytest.fail(f"{name}, cell {index}: {error}", pytrace=False)
        difference = compare(committed, cell.get("outputs", []), tolerance(cell))
        if difference.defects:
            yield f"{name}, cell {index}: " + complaint(f"{name}-cell-{index}", committed, cell.outputs, difference)


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_runs(path: Path, client: NotebookClient, pytestconfig: pytest.Config) -> None:
    before = output_of(client, STATE)
    differences = list(run(client, read(path), path.stem))
    assert output_of(client, STATE).splitlines() == before.splitlines()
    if pytestconfig.option.nbval_outputs == "compare":
        assert differences == [], "\n".join(differences)


def test_a_failing_cell_is_named(client: NotebookClient) -> None:
    notebook = new_notebook(cells=[new_code_cell("a = 1"), new_code_cell("a / 0")])
    with pytest.raises(pytest.fail.Exception, match=r"made_up, cell 1: (?s:.*)ZeroDivisionError"):
        list(run(client, notebook, "made_up"))


def test_the_next_solution_has_its_own_names(client: NotebookClient) -> None:
    assert list(run(client, new_notebook(cells=[new_code_cell("leftover = 1")]), "made_up")) == []
    assert list(run(client, new_notebook(cells=[new_code_cell("assert 'leftover' not in globals()")]), "made_up")) == []
