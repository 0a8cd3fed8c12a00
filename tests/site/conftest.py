"""The reading site, built once for all tests of this folder."""

import subprocess
import sys
from pathlib import Path

import make_site
import pytest
from filelock import FileLock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What builds the site takes a minute or two."""
    for item in items:
        if item.path.parent == Path(__file__).parent and "site" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def site() -> Path:
    """build/site, up to date. A warning of Sphinx fails every test that asks for it.

    Two processes cannot build it at the same time: the second one waits, and finds little to do.
    """
    command = [sys.executable, Path(make_site.__file__)]
    make_site.SITE.parent.mkdir(exist_ok=True)
    with FileLock(make_site.SITE.parent / "site.lock"):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"make_site.py ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return make_site.SITE
