"""What a person waits for, measured in JupyterLab in Chromium: the first picture, and a slider's picture.

    python -m benchmarks.waiting [--notebooks 00 01 …] [--presses 20] [--sliders-only] [--camera-only]

First picture: a notebook is opened without any outputs, in a kernel of its own that starts from nothing, and all cells
are run; the time is counted from the moment at which the kernel is asked for until the first picture stands on the
page. Slider to picture: a key is pressed on a slider, once every second, and the time is counted from the key until the
page has another picture; of a live run, one of a step that has read the new value. Dragging: a key is pressed twenty
times at a distance of 30 ms, and the pictures on the way are counted, without the last. Camera: the pictures a second
of the panels that follow a camera, with a film in its place, over ten seconds.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
import torch
from playwright.sync_api import Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "scripts")]

from fake_camera import film_as_camera  # noqa: E402
from lab_server import Lab, find_chromium, jupyterlab  # noqa: E402
from lesson_cells import slice_of  # noqa: E402
from notebook_page import NotebookPage, lab_is_open  # noqa: E402

SLIDERS = {  # what is timed -> the notebook, the words of its cell, the panel's class, the slider's class
    "04 activation map": ("04_activations", "panels.activation_map(", "explorer", "channel"),
    "06 occlusion map": ("06_occlusion", "panels.occlusion_map(", "explorer", "size"),
    "08 rules at a ReLU": ("08_guided_backprop", "panels.guided_relu(", "explorer", "channel"),
    "09 gradient ascent, live": ("09_gradient_ascent", "panels.gradient_ascent(", "live", "roughness"),
    "14 style transfer, live": ("14_style_transfer", "panels.style_transfer(", "live", "style-weight"),
}
CAMERAS = {  # what is counted -> the panel
    "04 activations, 160 px": "panels.activation_camera(models.load())",
    "15 painter, 256 px": "panels.fast_style_camera(fast_style.load())",
}
CAMERA_CELL = """from vizlib import models
from vizlib.synthesis import fast_style
from vizlib.widgets import panels
"""
WATCH = """selector => {
    window.pictures = [];
    window.watching?.disconnect();
    let last = document.querySelector(selector)?.src ?? '';
    window.before = document.querySelector(selector)?.alt ?? '';
    window.answer = null;
    window.watching = new MutationObserver(() => {
        const image = document.querySelector(selector);
        if (!image?.src || image.src == last) return;
        last = image.src;
        pictures.push(performance.now());
        if (image.alt != before) answer ??= performance.now();
    });
    const options = {subtree: true, childList: true, attributes: true, attributeFilter: ['src']};
    window.watching.observe(document.body, options);
}"""
# Each picture of a live run says, in its description, what the knob of the slider was when it was painted.
TELLING = """def telling(paint, knob):
    def paint_and_tell(*arguments, **options):
        paint(*arguments, **options)
        run.panel.picture._alt = f"{{run.alt}}, {{knob}} is {{getattr(run.knobs, knob)}}"
    return paint_and_tell

run._paint = telling(run._paint, next(n for n, s in run._sliders.items() if "vizlib-{}" in s._dom_classes))"""
KEYS = """() => {
    window.keys = [];
    document.addEventListener('keydown', () => keys.push(performance.now()), true);
}"""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
FIRST = ".jp-OutputArea-output img"


@contextmanager
def lab_in_chromium() -> Iterator[tuple[Page, Lab]]:
    """A page with JupyterLab, which shows an empty folder."""
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as lab, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", *film_as_camera(Path(folder))]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=options)
        page = browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=["camera"]).new_page()
        page.route(re.compile(r"https?://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
        lab_is_open(page, lab)
        yield page, lab
        browser.close()


def first_picture(page: Page, lab: Lab, name: str) -> tuple[float, float]:
    """The seconds from asking for a kernel until it answers, and until the first picture of a notebook is there."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, lab.folder / f"{name}.ipynb")
    page.evaluate(WATCH, FIRST)
    began = page.evaluate("performance.now()")
    opened = NotebookPage(page, f"{name}.ipynb", lab.folder)
    ready = page.evaluate("performance.now()")
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells').catch(() => {}); null")
    page.wait_for_function("pictures.length > 0", timeout=180_000)
    seen = page.evaluate("pictures[0]")
    page.evaluate("notebook.sessionContext.session.kernel.interrupt()")
    opened.close()
    return (ready - began) / 1000, (seen - began) / 1000


def is_done(page: Page) -> bool:
    """Whether the page's live run has taken all its steps."""
    return ", done" in page.locator(".vizlib-live-progress").first.inner_text()


def slider(page: Page, lab: Lab, what: str, presses: int) -> tuple[list[float], int]:
    """The milliseconds from each key to its picture, and how many pictures a fast drag shows on its way."""
    name, words, kind, css_class = SLIDERS[what]
    cells = slice_of(name, words)
    if kind == "live":
        cells.append(TELLING.format(css_class))
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, lab.folder / f"slider-{name}.ipynb")
    opened = NotebookPage(page, f"slider-{name}.ipynb", lab.folder)
    for index in range(len(cells)):
        opened.run_cell(index, 180)
    handle = page.locator(f".vizlib-{kind} .vizlib-{css_class} .noUi-handle").first
    picture = f".vizlib-{kind}-picture img"
    page.locator(picture).first.wait_for()
    page.wait_for_timeout(3000)
    page.evaluate(KEYS)
    handle.focus()
    waited, answered = [], "answer" if kind == "live" else "pictures[0]"
    for _ in range(2 * presses):
        if len(waited) == presses:
            break
        if kind == "live" and is_done(page):
            page.get_by_role("button", name="Reset").first.click()  # it has taken all its steps
            handle.focus()
            page.wait_for_timeout(3000)
        page.evaluate(WATCH, picture)
        page.wait_for_timeout(50)
        page.evaluate("keys.length = pictures.length = 0")
        page.keyboard.press("ArrowLeft" if len(waited) % 2 else "ArrowRight")
        try:
            page.wait_for_function(answered, timeout=10_000)
        except TimeoutError:
            if kind == "live" and is_done(page):
                continue  # its last step came just before the key: no other has read the value
            raise
        waited.append(page.evaluate(f"{answered} - keys[0]"))
        page.wait_for_timeout(1000)
    page.evaluate(WATCH, picture)
    page.evaluate("keys.length = pictures.length = 0")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    on_the_way = page.evaluate("pictures.filter(time => time < keys[keys.length - 1]).length")
    opened.close()
    return waited, on_the_way


def camera(page: Page, lab: Lab, what: str, seconds: float = 10) -> float:
    """How many pictures a second a panel shows of the camera."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [nbformat.v4.new_code_cell(f"{CAMERA_CELL}explorer = {CAMERAS[what]}")]
    nbformat.write(notebook, lab.folder / f"camera-{what[:2]}.ipynb")
    opened = NotebookPage(page, f"camera-{what[:2]}.ipynb", lab.folder)
    opened.run_cell(0, 180)
    opened.explorers_drawn(1, 180)
    opened.nth("vizlib-camera", 0).locator("button").click()
    page.wait_for_timeout(3000)
    rates = []
    for _ in range(round(seconds)):  # the page counts the pictures of the last two seconds
        page.wait_for_timeout(1000)
        rates.append(int(opened.nth("vizlib-camera", 0).locator("[role=status]").inner_text().split()[0]))
    opened.nth("vizlib-camera", 0).locator("button").click()
    opened.close()
    return statistics.mean(rates)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notebooks", nargs="*", default=[""], help="the beginnings of their names (default: all)")
    parser.add_argument("--presses", type=int, default=20)
    parser.add_argument("--sliders-only", action="store_true")
    parser.add_argument("--camera-only", action="store_true")
    options = parser.parse_args(arguments)
    names = [path.stem for path in sorted((ROOT / "notebooks").glob("[01]*.ipynb"))]
    names = [name for name in names if name.startswith(tuple(options.notebooks))]
    began = time.monotonic()
    with lab_in_chromium() as (page, lab):
        if not (options.sliders_only or options.camera_only):
            print(f"seconds until the kernel answers, and until the first picture ({torch.get_num_threads()} threads)")
            for name in names:
                ready, seen = first_picture(page, lab, name)
                print(f"  {name:<28} {ready:6.1f} {seen:6.1f}", flush=True)
        if not options.camera_only:
            print("milliseconds from a key on a slider to its picture: median, 95th percentile; pictures during a drag")
        for what, (name, *_) in SLIDERS.items():
            if name in names and not options.camera_only:
                waited, on_the_way = slider(page, lab, what, options.presses)
                slow = statistics.quantiles(waited, n=20)[-1]
                print(f"  {what:<28} {statistics.median(waited):6.0f} {slow:6.0f} {on_the_way:4}", flush=True)
        if not options.sliders_only:
            print("pictures a second of the camera")
            for what in CAMERAS:
                print(f"  {what:<28} {camera(page, lab, what):6.1f}", flush=True)
    print(f"measured in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
