"""scripts/run_notebooks.py on small made-up notebooks."""

from pathlib import Path

import pytest
import run_notebooks
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_files import SETUP_TAG, code_sha256, dumps, is_stale, read
from run_notebooks import WIDGET_VIEW, NotebookError, run

SETUP = new_code_cell("import os", metadata={"tags": [SETUP_TAG]})
PICTURE = """\
from PIL import Image
display(Image.new("RGB", (8, 8)), metadata={"image/png": {"alt": "a black square"}})"""

pytestmark = pytest.mark.slow  # each starts a kernel


def store(path: Path, *cells: str) -> Path:
    """A notebook file with a set-up cell and these code cells, none of them run."""
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), SETUP, *map(new_code_cell, cells)])
    path.write_text(dumps(notebook), encoding="utf-8")
    return path


def test_outputs_are_stored_and_a_second_run_changes_nothing(tmp_path):
    path = store(tmp_path / "a.ipynb", "print(os.getcwd())\nos.environ['VIZLIB_LIVE']", PICTURE)
    took = run(path)
    first = path.read_bytes()
    notebook = read(path)
    _, setup, words, picture = notebook.cells

    assert [cell.execution_count for cell in (setup, words, picture)] == [1, 2, 3]
    assert words.outputs[0].text == f"{tmp_path}\n"
    assert words.outputs[1].data["text/plain"] == "'0'"
    assert picture.outputs[0].metadata["image/png"]["alt"] == "a black square"
    assert set(notebook.metadata) == {"kernelspec", "language_info", "vizlib"}
    assert "version" not in notebook.metadata.language_info
    assert all("execution" not in cell.metadata for cell in notebook.cells)
    assert not is_stale(notebook)
    assert [cell.metadata.slideshow.slide_type for cell in notebook.cells] == ["slide", "skip", "subslide", "slide"]
    assert 0.2 < took.first_picture <= took.seconds
    assert 20 < took.peak_memory < 2000
    assert took.file_size == pytest.approx(len(first) / 1e6)

    run(path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("os._exit(1)", "died"),
        ("import ipywidgets\nipywidgets.IntSlider()", "a widget and nothing else"),
        ("import ipywidgets\nprint('slide:')\nipywidgets.IntSlider()", "a widget and nothing else"),
        ("print('a\\n' * 1_250_000)", "MB and must stay under 2.5"),
    ],
)
def test_a_notebook_that_does_not_pass_is_left_as_it_was(cell, words, tmp_path):
    path = store(tmp_path / "a.ipynb", "print('fine')", cell)
    before = path.read_bytes()
    with pytest.raises(NotebookError, match=words):
        run(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_widget_leaves_the_picture_beside_it(tmp_path):
    show_both = "import ipywidgets\ndisplay(ipywidgets.IntSlider())"
    path = store(tmp_path / "a.ipynb", f"{PICTURE}\n{show_both}")
    run(path)
    (output,) = read(path).cells[2].outputs
    assert "image/png" in output.data
    assert WIDGET_VIEW not in path.read_text()


def test_stale_is_another_code_but_not_another_setup_or_text(tmp_path):
    notebook = read(store(tmp_path / "a.ipynb", "a = 1"))
    assert is_stale(notebook)
    notebook.metadata["vizlib"] = {"code_sha256": code_sha256(notebook)}
    notebook.cells[0].source = "# Another title"
    notebook.cells[1].source = "import sys"
    assert not is_stale(notebook)
    notebook.cells[2].source = "a = 2"
    assert is_stale(notebook)


def test_check_names_stale_notebooks(tmp_path, capsys):
    path = store(tmp_path / "a.ipynb", "a = 1")
    assert run_notebooks.check([path]) == 1
    assert "a.ipynb: its outputs are older" in capsys.readouterr().out
    run(path)
    assert run_notebooks.check([path]) == 0


def test_the_table_goes_on_after_a_failure(tmp_path, capsys):
    bad, good = store(tmp_path / "a.ipynb", "1 / 0"), store(tmp_path / "b.ipynb", PICTURE)
    assert run_notebooks.run_all([bad, good]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["a.ipynb", "failed,"]
    assert lines[-1].split()[0] == "b.ipynb"
    assert run_notebooks.run_all([good]) == 0


def test_notebooks_are_chosen_by_name(tmp_path):
    (tmp_path / "solutions").mkdir()
    second, first = store(tmp_path / "02_b.ipynb"), store(tmp_path / "01_a.ipynb")
    solution = store(tmp_path / "solutions" / "01_a.ipynb")
    assert run_notebooks.choose([], tmp_path) == [first, second, solution]
    assert run_notebooks.choose(["02_b", "notebooks/solutions/01_a.ipynb"], tmp_path) == [second, solution]
    with pytest.raises(SystemExit, match="no notebook '03_c'; there are 01_a, 02_b, solutions/01_a"):
        run_notebooks.choose(["03_c"], tmp_path)
    with pytest.raises(SystemExit, match="no notebooks in"):
        run_notebooks.choose([], tmp_path / "solutions" / "none")


def test_a_cell_without_an_id_gets_the_same_one_every_time(tmp_path):
    path = tmp_path / "a.ipynb"
    cell = '{"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}'
    path.write_text(f'{{"cells": [{cell}, {cell}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 4}}')
    ids = [cell.id for cell in read(path).cells]
    assert ids == [cell.id for cell in read(path).cells]
    assert len(set(ids)) == 2
