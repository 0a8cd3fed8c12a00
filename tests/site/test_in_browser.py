"""The reading site in Chromium, from its folder and without a network, on a phone and on a laptop."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SIZES = {"phone": (390, 844), "laptop": (1280, 800)}


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A page of one of the sizes, offline. A request that fails, or that leaves the folder, fails the test."""
    width, height = SIZES[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, offline=True)
    page, faults = context.new_page(), []
    page.on("requestfailed", lambda asked: faults.append(asked.url))
    page.on("request", lambda asked: asked.url.startswith(("http:", "https:")) and faults.append(asked.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def show(page: Page, site: Path, name: str) -> None:
    page.goto((site / f"{name}.html").as_uri())
    page.wait_for_load_state("load")
    page.wait_for_function("() => !window.MathJax || window.MathJax.startup?.promise")
    page.evaluate("() => window.MathJax?.startup?.promise")


@pytest.mark.parametrize("name", ["index", "notebooks/07_saliency", "api/models", "docs/teaching"])
def test_a_page_fits_its_width(name, page, site):
    show(page, site, name)
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()  # some are loaded when they come near
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    inside, width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= width
    assert page.evaluate("() => [...document.images].filter(image => !image.naturalWidth).length") == 0


def test_no_page_is_wider_than_a_phone(chromium, site):
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.route(re.compile(r"\.(png|jpg)$"), lambda route: route.abort())  # quicker, and they never widen a page
    wide = []
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            page.goto(path.as_uri())
            page.evaluate("() => window.MathJax?.startup?.promise")
            if page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth"):
                wide.append(path.relative_to(site).as_posix())
    page.close()
    assert wide == []


def test_formulas_are_rendered(page, site):
    show(page, site, "notebooks/07_saliency")
    assert page.locator("mjx-container").count() >= page.locator("span.math, div.math").count() > 5
    assert page.locator("mjx-merror").count() == 0
    box = page.locator("div.math mjx-container").first.bounding_box()
    assert 20 < box["height"] < 200
    page.evaluate("() => document.fonts.ready")
    assert page.evaluate("() => [...document.fonts].some(f => f.family.includes('MJXTEX') && f.status == 'loaded')")


def test_an_answer_opens_with_a_click(page, site):
    show(page, site, "notebooks/07_saliency")
    answer = page.locator("details", has_text="The answer to the prediction").first
    assert not answer.locator("b").first.is_visible()
    answer.locator("summary").click()
    assert answer.locator("b").first.is_visible()


def test_a_search_finds_the_notebook(chromium, site):
    page = chromium.new_page()
    page.goto((site / "search.html").as_uri() + "?q=grabcut")
    page.locator("#search-results a", has_text="Saliency").first.wait_for()
    page.close()


def test_a_card_leads_to_its_notebook(page, site):
    show(page, site, "index")
    page.locator(".sd-card", has_text="12 · DeepDream").click()
    page.wait_for_url("**/notebooks/12_deepdream.html")
    assert page.locator("article h1").inner_text().startswith("12 · DeepDream")
