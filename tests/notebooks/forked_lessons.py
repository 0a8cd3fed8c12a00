"""A pytest plugin: with `--nbval-forked`, the notebooks' kernels begin with vizlib imported (see forked_kernel.py).

Importing takes each of twenty notebooks some seconds of processor time. Elsewhere than on Linux the option changes
nothing. What a notebook imports for itself is tried where it has a kernel of its own: `make try-run-all`. A forked
kernel seems about 200 MB smaller than one of its own, because it has not read the libraries' files itself; the memory
that a person needs is in the table of `scripts/run_notebooks.py`.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab_server import FORKED, forked_kernels


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("nbval").addoption(
        "--nbval-forked", action="store_true", help="fork the kernels from a process that has imported vizlib"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.nbval_forked or FORKED != "forked":
        return
    config.option.nbval_current_env, config.option.nbval_kernel_name = False, FORKED
    if hasattr(config, "workerinput"):
        return  # the process that started this one has the parent of the kernels
    stack = ExitStack()
    config.add_cleanup(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stack.enter_context(forked_kernels(folder))
    paths = [str(folder / "data"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    stack.enter_context(pytest.MonkeyPatch.context()).setenv("JUPYTER_PATH", os.pathsep.join(paths))
