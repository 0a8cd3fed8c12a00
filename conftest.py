"""For every test run, also one over notebooks/: its environment, and how many processes share it."""

import gc
import os

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

# Both are in tests/notebooks; only the conftest at the root may name plugins.
pytest_plugins = ["nbval_report", "forked_lessons"]

# Idle OpenMP threads that spin slow a step by ten times when several processes share two cores. Set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: with several processes, the last one to finish then has little left."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the libraries made while they were imported stays: no later collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()


PROCESS_MEMORY = 1.6e9  # bytes that a notebook's kernel, or a process with the unit tests, may take


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means: a process for each core, but no more than memory has room for. They share the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = processes(cores, psutil.virtual_memory().available)
    os.environ.setdefault("OMP_NUM_THREADS", str(cores // workers))
    return workers


def processes(cores: int, available: float) -> int:
    """How many processes at a time: one for each core while `available` bytes of memory suffice, at least one."""
    return max(1, min(cores, int(available // PROCESS_MEMORY)))


class Scopes(LoadScopeScheduling):
    """`--dist loadscope`: which tests share a process: the cells of a notebook, the tests of a file, all of the site's.

    Each solution is on its own: short work for a process whose notebooks are done.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        if file.endswith("test_solutions.py"):
            return nodeid
        return "tests/site" if file.startswith("tests/site/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scopes | None:
    """The scheduler for `--dist loadscope`; the others are xdist's own."""
    return Scopes(config, log) if config.getvalue("dist") == "loadscope" else None
