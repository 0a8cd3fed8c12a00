"""A notebook as slides, as `make present` shows it: the next slide, a slider, code one level below, and no error."""

import re
from contextlib import suppress

import nbformat
import pytest
from lab_server import FORKED, Lab
from lesson_cells import slice_of
from notebook_page import PICTURE
from playwright.sync_api import Browser, Page, TimeoutError, expect
from slides import mark

KERNELSPEC = {"name": FORKED, "display_name": FORKED, "language": "python"}
FOUND = ".vizlib-explorer-picture img"
UP = "section.stack.present > section.present"
TITLE = "# 04 · Activations\n\nOne sentence."


@pytest.fixture
def page(chromium: Browser) -> Page:
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def press_until_it_changes(page: Page, key: str) -> None:
    """Press a key for another slide, again where nothing came of it: while a slide moves in, keys are not heard."""
    here = page.evaluate("location.hash")
    for _ in range(10):
        page.keyboard.press(key)
        with suppress(TimeoutError):
            return page.wait_for_function("here => location.hash != here", arg=here, timeout=2_000)
    raise AssertionError(f"ten times {key}, and the page still shows {here}")


def test_an_instructor_shows_a_lesson_and_moves_a_slider(lab: Lab, page: Page):
    cells = [nbformat.v4.new_code_cell(cell) for cell in slice_of("04_activations", "panels.activation_map(")]
    texts = [TITLE, "## 3. All channels\n\n### Code\n\nOne forward pass.", "### Explore\n\nMove the layer slider."]
    head, code, explore = map(nbformat.v4.new_markdown_cell, texts)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC}, cells=[head, code, *cells])
    notebook.cells.insert(-1, explore)
    nbformat.write(mark(notebook), lab.folder / "slides.ipynb")

    page.goto(f"{lab.url}/rise/slides.ipynb?token={lab.token}")
    page.locator("#vizlib-bar").wait_for()
    assert page.locator(f"{UP} h1").inner_text().startswith("04 · Activations")
    size = page.locator(f"{UP} p").first.evaluate("text => parseFloat(getComputedStyle(text).fontSize)")
    assert size >= 24, "it is read in row five"

    errors = []  # jupyterlab-rise has some of its own while it loads, before the notebook is there
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    page.get_by_role("button", name="Run all").click()
    page.wait_for_function("document.querySelector('.vizlib-explorer-picture img')?.naturalWidth > 0")
    expect(page.get_by_role("button", name="Run all")).to_be_enabled(timeout=60_000)

    page.keyboard.press("Space")
    expect(page.locator(f"{UP} h2")).to_have_text(re.compile("^3. All channels"))
    page.keyboard.press("Space")
    picture = page.locator(f"{UP} {FOUND}")
    picture.wait_for()
    assert page.locator(f"{UP} h3").inner_text().startswith("Explore")
    assert not page.locator(f"{UP} .jp-CodeCell .cm-content").first.is_visible(), "no code beside the panel"
    assert picture.bounding_box()["width"] >= 400
    inside, height = page.locator(UP).evaluate("slide => [slide.scrollHeight, slide.clientHeight]")
    assert inside <= height, "text, picture and controls are in sight"

    before, place = picture.evaluate(PICTURE), page.evaluate("location.hash")
    handle = page.locator(f"{UP} .vizlib-layer .noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function(f"before => ({PICTURE})(document.querySelector('{UP} {FOUND}')) != before", arg=before)
    assert page.evaluate("location.hash") == place, "the arrow is the slider's"

    page.locator(f"{UP} h3").click()
    page.keyboard.press("c")
    page.locator(f"{UP} .jp-CodeCell .cm-content").first.wait_for()  # the code, when it is asked for
    page.keyboard.press("c")
    press_until_it_changes(page, "PageUp")
    press_until_it_changes(page, "ArrowDown")
    page.locator(f"{UP} .jp-CodeCell .cm-content").first.wait_for()  # code is one level below
    assert page.locator(".jp-OutputArea [data-mime-type*=stderr], .jupyter-widgets-error-widget").count() == 0
    assert errors == []
