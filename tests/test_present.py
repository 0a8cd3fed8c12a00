"""What is shown on a projector: which notebook is meant, and which of its cells its panels need."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import present
import pytest
from notebook_files import NOTEBOOKS, ROOT, read
from present import command, find, panel_notebook, panels_in

ASCENT = NOTEBOOKS / "09_gradient_ascent.ipynb"
FILTERS = NOTEBOOKS / "01_filters.ipynb"


@pytest.mark.parametrize("name", ["09", "09_gradient_ascent", "notebooks/09_gradient_ascent.ipynb"])
def test_a_notebook_is_found_by_its_number(name: str):
    assert find(name) == ASCENT


def test_another_folder_is_named_and_what_is_missing_is_said():
    assert find("appendix/07").parent.name == "appendix"
    with pytest.raises(SystemExit, match="no notebook '42'; there are 00_start_here, 01_filters"):
        find("42")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[01]*.ipynb")), ids=lambda path: path.stem)
def test_every_lesson_has_panels_that_stand_under_the_title_of_their_section(path: Path):
    made, panels = panel_notebook(path), panels_in(read(path))
    assert panels
    for source, title in panels.values():
        place = next(i for i, cell in enumerate(made.cells) if cell.source == source)
        assert made.cells[place - 1].source == f"## {title}" and title
    for cell in made.cells:
        if cell.cell_type == "code":
            assert "widgets.ask(" not in cell.source, "nothing but the panels"


def test_one_panel_comes_alone_and_one_that_is_not_there_is_named():
    made = panel_notebook(FILTERS, "filter_modes")
    shown = [cell.source for cell in made.cells if "panels.filter" in cell.source]
    assert len(shown) == 1 and "panels.filter_modes(" in shown[0]
    with pytest.raises(SystemExit, match="no panel nothing in 01_filters.ipynb; it has filter_response, "):
        panel_notebook(FILTERS, "nothing")
    with pytest.raises(SystemExit, match="it has none"):
        panel_notebook(NOTEBOOKS / "appendix" / "05_scanning_in_parts.ipynb")


def test_jupyterlab_opens_the_slides_and_voila_the_panels_on_this_machine_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(present, "BUILD", tmp_path)
    slides = command("slides", ASCENT, "", 9000, ["--no-browser"])
    assert "--LabApp.default_url=/rise/notebooks/09_gradient_ascent.ipynb" in slides
    assert "--ServerApp.ip=127.0.0.1" in slides and slides[-1] == "--no-browser"
    panels = command("panel", FILTERS, "filter_modes", 9000, [])
    assert panels[:3] == ["-m", "voila", str(tmp_path / "panels" / "01_filters.ipynb")]
    assert "--Voila.ip=127.0.0.1" in panels
    assert "filter_modes" in (tmp_path / "panels" / "01_filters.ipynb").read_text(encoding="utf-8")


def test_static_slides_hide_the_code_of_the_talk_and_leave_the_lesson_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(present, "BUILD", tmp_path)
    monkeypatch.setattr(present, "parts", lambda folder: ["--SlidesExporter.jquery_url=jquery.js"])
    before = FILTERS.read_bytes()
    arguments = command("static", FILTERS, "", 0, [])
    assert (
        arguments[:4] == ["-m", "nbconvert", "--to", "slides"] and "--SlidesExporter.jquery_url=jquery.js" in arguments
    )
    cells = json.loads((tmp_path / "slides" / "01_filters.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell["metadata"] for cell in cells if cell["cell_type"] == "code"]
    below = [data for data in code if data["slideshow"]["slide_type"] == "subslide"]
    assert below and all("talk" not in data.get("tags", []) for data in below)
    assert all("talk" in data["tags"] for data in code if data not in below)
    assert FILTERS.read_bytes() == before


@pytest.mark.parametrize(("npm", "status"), [("/usr/bin/npm", 0), ("/usr/bin/npm", 1), (None, 0)])
def test_a_page_of_slides_has_its_scripts_beside_it_where_npm_can_get_them(npm, status, tmp_path, monkeypatch, capsys):
    ran = []

    def run(command: list[str], check: bool) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(returncode=status)

    monkeypatch.setattr(present.shutil, "which", lambda name: npm)
    monkeypatch.setattr(present.subprocess, "run", run)
    options = present.parts(tmp_path)
    assert len(ran) == (npm is not None) and all("reveal.js@4" in command for command in ran)
    if npm and not status:
        assert "--SlidesExporter.reveal_url_prefix=node_modules/reveal.js" in options and len(options) == 4
    else:
        assert options == [] and "needs the internet" in capsys.readouterr().err
    for name in present.PARTS:
        (tmp_path / "node_modules" / name).mkdir(parents=True)
    assert len(present.parts(tmp_path)) == 4 and len(ran) == (npm is not None), "once they are there, npm is not asked"


def test_the_program_replaces_the_script_and_finds_the_extension(monkeypatch):
    ran = []
    monkeypatch.setattr(os, "execv", lambda *given: ran.append(given))
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    monkeypatch.setattr(sys, "argv", ["present.py", "slides", "09", "--port", "9000", "--", "--no-browser"])
    present.main()
    ((program, arguments),) = ran
    assert program == sys.executable and arguments[-1] == "--no-browser" and "--ServerApp.port=9000" in arguments
    folder = str(ROOT / "scripts" / "rise")
    assert os.environ["JUPYTER_PATH"] == f"{folder}{os.pathsep}/mine" and os.environ["JUPYTER_CONFIG_PATH"] == folder


def test_the_extension_is_one_that_jupyterlab_finds():
    folder = ROOT / "scripts" / "rise" / "labextensions" / "vizlib-slides"
    build = json.loads((folder / "package.json").read_text())["jupyterlab"]["_build"]
    assert (folder / build["load"]).is_file() and (folder / "static" / "slides.css").is_file()
    overrides = json.loads((folder.parents[1] / "labconfig" / "default_setting_overrides.json").read_text())
    assert overrides["jupyterlab-rise:plugin"]["transition"] == "none"
