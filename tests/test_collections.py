"""The button that fetches a collection: its progress, its end, and a failure in words."""

import asyncio

import pytest

from vizlib import assets
from vizlib.images import galleries
from vizlib.images.galleries.downloads import Fetched
from vizlib.widgets.panels import collections, fetch_collection


@pytest.fixture
def here(monkeypatch):
    """The names of the collections that are in the cache."""
    names = set()
    monkeypatch.setattr(galleries, "is_here", names.__contains__)
    return names


def clicked(name: str) -> tuple[collections.CollectionButton, list[str]]:
    """Click a button and wait for the end; the button, and what the message said on the way."""

    async def click():
        button, said = collections.CollectionButton(), []
        button.message.observe(lambda change: said.append(change["new"]), "value")
        button.buttons[name].click()
        assert all(one.disabled for one in button.buttons.values()), "one download at a time"
        async with asyncio.timeout(10):
            while button._thread.is_alive():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
        return button, said

    return asyncio.run(click())


def test_a_click_fetches_shows_how_far_it_is_and_says_that_it_is_here(monkeypatch, here):
    def fetching(name):
        yield Fetched(25_000_000, 100_000_000)
        here.add(name)
        yield Fetched(100_000_000, 100_000_000)

    monkeypatch.setattr(galleries, "fetching", fetching)
    button, said = clicked("imagenette")
    assert "25 of 100 MB" in said[0] and "<progress" in said[0] and "unpacking" in said[1]
    assert "Here already: Imagenette" in said[-1]
    assert button.buttons["imagenette"].disabled and not button.buttons["cifar10"].disabled
    button.close()


def test_a_failure_is_told_and_the_button_can_be_clicked_again(monkeypatch, here):
    def fetching(name):
        yield Fetched(0, 10)
        raise assets.AssetError("no connection <to> the server")

    monkeypatch.setattr(galleries, "fetching", fetching)
    button, said = clicked("cifar10")
    assert 'role="alert"' in said[-1] and "no connection &lt;to&gt; the server" in said[-1]
    assert not button.buttons["cifar10"].disabled


def test_where_nobody_clicks_the_command_is_named(monkeypatch, here):
    shown = []
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(collections, "display", lambda page: shown.append(page.data))
    assert fetch_collection() is None
    assert "No labelled collection" in shown[0] and "python -m vizlib download imagenette" in shown[0]
