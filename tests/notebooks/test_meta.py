"""The notebooks as files: every check of checks.py, on every notebook; and that each check finds what it is for."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import checks
import pytest
from checks import FOR_ALL, FOR_LESSONS, Check
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_files import ROOT, code_sha256, dumps, find_notebooks, read
from run_notebooks import LARGEST_FILE
from slides import mark
from update_links import Repository, updated

HEAD = """\
# 01 · Filters

What does the network look for?

**Lecture section:** First layer: filters

**Objectives**

- Look at filters.
- Compare them.
- Count them.

**Time:** about 20 minutes"""
STEPS = "## Templates\n\n### Predict\n\nHow many?\n\n### Code\n\n### Explore\n\n### Explain\n\n![a filter](filter.png)"
FOOT = "## Your turn\n\nTry it.\n\n## Summary\n\nDone. Next: [02 · Neighbours](02_neighbours.ipynb)."
CODE = 'filters = 64\nassert filters == 64, "conv1 has 64 filters"\nfilters'


# --- the notebooks that there are -----------------------------------------------------------------------------------


@cache
def notebooks_in(folder: str) -> list[tuple[Path, NotebookNode]]:
    paths = [path for path in find_notebooks() if path.parent == ROOT / folder]
    assert paths, f"no notebooks in {folder}/"
    return [(path, read(path)) for path in paths]


def defects_in(folder: str, check: Check) -> str:
    return "\n".join(
        f"{path.name}: {text}" for path, notebook in notebooks_in(folder) for text in check(notebook, path)
    )


@pytest.mark.parametrize("check", FOR_ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("folder", ["notebooks", "notebooks/appendix", "notebooks/solutions"])
def test_notebooks(folder: str, check: Check) -> None:
    assert defects_in(folder, check) == ""


@pytest.mark.parametrize("check", FOR_LESSONS, ids=lambda check: check.__name__)
def test_lessons(check: Check) -> None:
    assert defects_in("notebooks", check) == ""


# --- that the checks find what they are for -------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the made-up notebook 01 is stored, beside a next one, its solution and a picture."""
    (tmp_path / "solutions").mkdir()
    for name in ("02_neighbours.ipynb", "solutions/01_filters.ipynb", "filter.png"):
        (tmp_path / name).write_text("")
    return tmp_path / "01_filters.ipynb"


def good_notebook() -> NotebookNode:
    """A small notebook without a defect."""
    picture = new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "64 filters"}})
    count = new_output("execute_result", {"text/plain": "64"}, execution_count=2)
    work = new_code_cell(CODE, execution_count=2, outputs=[picture, count])
    notebook = new_notebook(cells=[new_markdown_cell(HEAD), new_markdown_cell(STEPS), work, new_markdown_cell(FOOT)])
    notebook = updated(notebook, "notebooks/01_filters.ipynb", Repository("me/course", "main"))
    notebook.cells[1].execution_count = 1
    notebook.metadata.vizlib = {"code_sha256": code_sha256(notebook)}
    return mark(notebook)


def defects(check: Check, notebook: NotebookNode, path: Path) -> list[str]:
    path.write_text(dumps(from_dict(notebook)), encoding="utf-8")
    return list(check(read(path), path))


@pytest.mark.parametrize("check", FOR_ALL + FOR_LESSONS, ids=lambda check: check.__name__)
def test_a_good_notebook_passes(check: Check, path: Path) -> None:
    assert defects(check, good_notebook(), path) == []


def replace(cell: int, old: str, new: str) -> Callable[[NotebookNode], None]:
    """A defect: other words in a cell's source."""

    def change(notebook: NotebookNode) -> None:
        assert old in notebook.cells[cell].source
        notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)

    return change


def output(kind: str, **fields: object) -> Callable[[NotebookNode], None]:
    """A defect: one more output in the code cell."""
    return lambda notebook: notebook.cells[3].outputs.append(new_output(kind, **fields))


def set_field(cell: int, **fields: object) -> Callable[[NotebookNode], None]:
    """A defect: a cell's field with another value."""
    return lambda notebook: notebook.cells[cell].update(from_dict(fields))


def remove(cell: int) -> Callable[[NotebookNode], None]:
    """A defect: a cell is missing."""
    return lambda notebook: notebook.cells.pop(cell)


DEFECTS = [
    (checks.outputs_are_fresh, replace(3, "64", "65"), "older than its code"),
    (checks.outputs_are_fresh, lambda notebook: notebook.metadata.pop("vizlib"), "older than its code"),
    (checks.outputs_are_complete, set_field(3, execution_count=7), "number 7 instead of 2"),
    (checks.outputs_are_complete, set_field(3, execution_count=None), "number None instead of 2"),
    (checks.outputs_are_complete, output("error", ename="ValueError", evalue="no", traceback=[]), "ValueError: no"),
    (checks.outputs_are_complete, output("stream", name="stderr", text="UserWarning: old"), "UserWarning"),
    (
        checks.widgets_have_a_picture,
        output("display_data", data={checks.WIDGET_VIEW: {"model_id": "a"}, "text/plain": "VBox()"}),
        "a widget alone",
    ),
    (checks.pictures_have_alt_text, output("display_data", data={"image/png": "aGk="}), "image/png has no alt"),
    (checks.pictures_have_alt_text, output("display_data", data={"image/jpeg": "aGk="}), "image/jpeg has no alt"),
    (checks.pictures_have_alt_text, output("display_data", data={"text/html": "<img src='a.png'>"}), "its HTML"),
    (checks.pictures_have_alt_text, replace(2, "![a filter]", "![]"), "'filter.png' has no alt text"),
    (checks.pictures_have_alt_text, replace(2, "![a filter](filter.png)", "<img src='b.png'>"), "'b.png' has no alt"),
    (
        checks.file_is_small,
        set_field(3, outputs=[new_output("stream", text="a" * LARGEST_FILE)]),
        "must stay under 2.5",
    ),
    (checks.setup_is_cell_1, remove(1), "at [] instead of [1]"),
    (checks.setup_is_cell_1, lambda notebook: notebook.cells.insert(0, new_markdown_cell("Hi.")), "at [2] instead"),
    (checks.nothing_else_is_installed, replace(3, "filters = 64", "!pip install x"), "cell 3 installs"),
    (checks.nothing_else_is_installed, replace(3, "filters = 64", "%pip install x"), "cell 3 installs"),
    (checks.nothing_else_is_installed, replace(3, "filters = 64", "!python -m pip install x"), "cell 3 installs"),
    (checks.cells_are_short, replace(3, "filters = 64", "a = 1\n" * 24), "has 27 lines"),
    (checks.markers_are_spelt_right, replace(3, CODE, "# NBVAL_IGNORE_OUTPUTS\n1"), "not one of nbval's markers"),
    (checks.markers_are_spelt_right, replace(3, CODE, "1  # NBVAL_SKIP"), "not one of nbval's markers"),
    (checks.markers_are_spelt_right, replace(3, CODE, "# nbval_skip\n1"), "not one of nbval's markers"),
    (checks.markers_are_spelt_right, set_field(3, metadata={"tags": ["nbval-skp"]}), "tag 'nbval-skp'"),
    (
        checks.tolerances_are_spelt_right,
        set_field(3, metadata={"vizlib": {"tolerance": {"picture": 9}}}),
        "its tolerance has a name",
    ),
    (checks.paths_are_relative, replace(3, "filters = 64", "a = '/data/photos/cat.png'"), "one machine only"),
    (checks.paths_are_relative, replace(3, "filters = 64", "a = '~/cat.png'"), "one machine only"),
    (checks.paths_are_relative, replace(3, "filters = 64", r"a = 'C:\\cat.png'"), "one machine only"),
    (checks.paths_are_relative, output("stream", text="saved in /home/ada/.cache/x"), "names a path"),
    (checks.a_claim_is_asserted, replace(3, ', "conv1 has 64 filters"', ""), "no cell makes a claim"),
    (checks.slides_are_marked, set_field(3, metadata={}), "run python scripts/slides.py"),
    (checks.slides_are_marked, set_field(2, metadata={"slideshow": {"slide_type": "notes"}}), "not marked as slides"),
    (checks.links_lead_somewhere, replace(2, "filter.png", "gone.png"), "'gone.png', which does not exist"),
    (checks.links_lead_somewhere, replace(4, "02_neighbours.ipynb", "../gone.md"), "'../gone.md', which does not"),
    (checks.links_lead_somewhere, replace(0, "attachment:colab.png", "attachment:gone.png"), "not attached to it"),
    (checks.links_lead_somewhere, lambda n: n.cells[0].attachments.pop("binder.png"), "'binder.png', which is not"),
    (checks.head_is_complete, replace(0, "# 01 · Filters", "# Filters"), "must begin with `# 01 · Title`"),
    (checks.head_is_complete, replace(0, "# 01", "# 02"), "must begin with `# 01 · Title`"),
    (checks.head_is_complete, replace(0, "What does the network look for?\n\n", ""), "one sentence"),
    (checks.head_is_complete, replace(0, "Open in Colab", "Colab"), "no badge [![Open in Colab]"),
    (checks.head_is_complete, replace(0, "Launch on Binder", "Binder"), "no badge [![Launch on Binder]"),
    (checks.head_is_complete, replace(0, "Lecture section", "Lecture"), "Lecture section"),
    (checks.head_is_complete, replace(0, "- Count them.\n", ""), "2 bullets"),
    (checks.head_is_complete, replace(0, "**Objectives**", "Objectives"), "0 bullets"),
    (checks.head_is_complete, replace(0, "about 20 minutes", "not long"), "about N minutes"),
    (checks.sections_are_complete, replace(4, "## Summary", "## End"), "no section `## Summary`"),
    (checks.sections_are_complete, replace(4, "## Your turn", "## Exercise"), "no section `## Your turn`"),
    (checks.sections_are_complete, replace(2, "### Explain", "### Result"), "no section goes through"),
    (checks.sections_are_complete, replace(2, "### Explore", "## More\n\n### Explore"), "no section goes through"),
    (checks.last_cell_leads_on, replace(4, "02_neighbours.ipynb", "https://example.org"), "does not link to the next"),
    (checks.last_cell_leads_on, replace(4, "[02 · Neighbours](02_neighbours.ipynb)", "02, coming"), "does not link"),
]


@pytest.mark.parametrize(("check", "change", "words"), DEFECTS, ids=[f"{d[0].__name__}: {d[2]}" for d in DEFECTS])
def test_a_defect_is_found(check: Check, change: Callable[[NotebookNode], None], words: str, path: Path) -> None:
    notebook = good_notebook()
    change(notebook)
    (defect,) = defects(check, notebook, path)
    assert words in defect


def test_every_check_is_tested() -> None:
    elsewhere = {checks.exercise_has_a_solution}
    assert {check for check, _, _ in DEFECTS} | elsewhere == set(FOR_ALL + FOR_LESSONS)


def test_a_missing_solution_is_found(path: Path) -> None:
    (path.parent / "solutions" / path.name).unlink()
    assert defects(checks.exercise_has_a_solution, good_notebook(), path) == [
        "its exercise has no solutions/01_filters.ipynb"
    ]


def test_without_a_next_notebook_the_last_cell_says_so(path: Path) -> None:
    (path.parent / "02_neighbours.ipynb").unlink()
    notebook = good_notebook()
    (defect,) = defects(checks.last_cell_leads_on, notebook, path)
    assert "must link to the next notebook" in defect
    replace(4, "[02 · Neighbours](02_neighbours.ipynb)", "02 · Neighbours (coming)")(notebook)
    assert defects(checks.last_cell_leads_on, notebook, path) == []


def test_the_opening_needs_no_exercise(path: Path) -> None:
    opening = path.with_name("00_start.ipynb")
    notebook = good_notebook()
    replace(4, "## Your turn", "## More")(notebook)
    replace(2, "### Predict", "### Look")(notebook)
    assert defects(checks.sections_are_complete, notebook, opening) == []
