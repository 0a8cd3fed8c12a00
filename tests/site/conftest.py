"""The reading site, built once for all tests of this folder."""

from pathlib import Path

import make_site
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What builds the site takes a minute or two, and one process builds it for all."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("site"))
            if "site" in getattr(item, "fixturenames", ()):
                item.add_marker("slow")


@pytest.fixture(scope="session")
def site() -> Path:
    """build/site, up to date. A warning of Sphinx fails every test that asks for it."""
    try:
        make_site.build()
    except SystemExit as error:
        pytest.fail(f"python scripts/make_site.py ended with status {error.code}: see its warnings above")
    return make_site.SITE
