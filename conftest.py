"""For every test run, also one over notebooks/: its environment, and the order of its tests."""

import os

import pytest

pytest_plugins = ["nbval_report"]  # tests/notebooks/nbval_report.py: only the conftest at the root may name a plugin

# Idle OpenMP threads that spin slow a step by ten times when several processes share two cores. Set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What fails fastest first: unit and reference tests, checks of files, running the notebooks, the browser."""
    items.sort(key=_stage)


def _stage(item: pytest.Item) -> int:
    if item.path.suffix == ".ipynb":
        return 2
    if item.path.parent.name == "browser":
        return 3
    return int(item.path.parent.name == "notebooks" or item.path.name == "test_packaging.py")
