"""On demand, `make try-colab-versions`: ipywidgets 7.7.1 and ipykernel 6.17, as on Colab, run every notebook headless,
and the panels of 04, 09 and 14 in Chromium, with the page of that time, Notebook 6.5.

VIZLIB_NOTEBOOKS=04,14 chooses some of the notebooks. What only Colab itself could show is not tried: its page around
the widgets, and its own builds of Python, PyTorch and numpy.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from classic_server import classic_notebook, the_picture_obeys
from nbclient import NotebookClient
from notebook_files import NOTEBOOKS, read
from playwright.sync_api import Browser, Page
from run_notebooks import KERNEL, running_kernel

PYTHON = Path(os.environ.get("VIZLIB_COLAB", Path(sys.prefix) / "colab")) / "bin" / "python"
CHOSEN = tuple(os.environ.get("VIZLIB_NOTEBOOKS", "").split(","))
PANELS = {
    "04_activations": ("panels.activation_map(", ".vizlib-channel .ui-slider-handle"),
    "09_gradient_ascent": ("panels.gradient_ascent(", ".vizlib-jitter .ui-slider-handle"),
    "14_style_transfer": ("panels.style_transfer(", ".vizlib-live .ui-slider-handle"),
}


def test_the_versions_are_those_of_colab():
    code = "import ipykernel as k, ipywidgets as w, notebook as n; print(w.__version__, k.__version__, n.__version__)"
    said = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == "7.7.1" and said[1].startswith("6.17.") and said[2].startswith("6.5.")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[01]*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_runs_headless(path, tmp_path, monkeypatch):
    if not path.stem.startswith(CHOSEN):
        pytest.skip("not chosen")
    spec = tmp_path / "kernels" / "colab" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Colab's versions", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(read(path), resources=place, **KERNEL | {"kernel_name": "colab"})
    with running_kernel(client):
        client.execute(cleanup_kc=False)


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    with classic_notebook(PYTHON, tmp_path_factory.mktemp("colab")) as served:
        yield served


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(90_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PANELS)
def test_panels_have_their_controls_and_the_picture_obeys(classic, page, name):
    the_picture_obeys(classic, page, name, *PANELS[name])
