"""On demand, `make try-panels`: every panel shows its picture and main controls on one screen, 1280x720 and larger.

Screenshots of each, while it runs and when it has ended, go to the folder that VIZLIB_SCREENSHOTS names.
VIZLIB_NOTEBOOKS=09,12 chooses some of the notebooks.
"""

import ast
import json
import os

import pytest
from lab_server import ROOT
from lesson_cells import slice_of

CHOSEN = tuple(os.environ.get("VIZLIB_NOTEBOOKS", "").split(","))
SIZES = [(1280, 720), (1920, 1080)]
ROOM = "document.querySelector('.jp-WindowedPanel-outer').clientHeight"
SIZE = """() => {
    const panel = [...document.querySelectorAll('.vizlib-panel')].pop();
    const image = panel.querySelector('.vizlib-picture img'), box = image.getBoundingClientRect();
    const shrunk = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);  // it is fitted into it
    const around = panel.getBoundingClientRect();
    const cut = [...panel.querySelectorAll('select, button, input, .widget-readout, progress')].filter(
        part => part.getBoundingClientRect().right > around.right + 4).map(part => part.className);
    return {picture: [image.naturalWidth * shrunk, image.naturalHeight * shrunk].map(Math.round), cut,
            panel: around.height, place: [box.left - around.left, box.top - around.top].map(Math.round)};
}"""


def calls() -> list[tuple[str, str]]:
    """The name of the notebook and of the panel for each call of a panel in the lessons."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[01]*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "panels." in source:
                for node in ast.walk(ast.parse(source)):
                    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "panels":
                        found.append((path.stem, node.attr))
    return [pair for pair in found if pair[0].startswith(CHOSEN)]


@pytest.mark.parametrize(("name", "panel"), calls())
def test_picture_and_main_controls_are_on_one_screen(open_notebook, name, panel):
    cells = slice_of(name, f"panels.{panel}(")
    notebook = open_notebook(name, cells)
    page, faults, places = notebook.page, [], {}
    try:
        for index in range(len(cells)):
            notebook.run_cell(index, 120)
        picture = page.locator(".vizlib-panel .vizlib-picture img").last
        picture.wait_for(timeout=120_000)
        for ended in (False, True):
            if ended:
                page.wait_for_timeout(3000)
                notebook.execute("import vizlib.widgets; vizlib.widgets.stop_all()")
                page.wait_for_timeout(1000)
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.locator(".vizlib-panel").last.evaluate("panel => panel.scrollIntoView({block: 'end'})")
                page.wait_for_timeout(400)
                notebook.screenshot(f"{name[:2]}_{panel}_{'ended' if ended else 'runs'}_{width}")
                found, room = page.evaluate(SIZE), page.evaluate(ROOM)
                print(f"{name[:2]} {panel} {'ended' if ended else 'runs'} {width}: {found} of {room}")
                if found["picture"][0] < 400 or found["panel"] > room or found["cut"]:
                    faults.append(f"{width}x{height}: {found} of {room} px")
                if places.setdefault(width, found["place"]) != found["place"]:
                    faults.append(f"{width}x{height}: the picture moves from {places[width]} to {found['place']}")
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})
    assert faults == [] and notebook.errors() == []
