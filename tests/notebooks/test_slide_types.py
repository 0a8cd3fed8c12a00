"""Which cell is which slide: what an audience sees is a slide, code and what explains it stand one level below."""

from pathlib import Path

import pytest
import slides
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_files import NOTEBOOKS, dumps, find_notebooks, read
from slides import is_marked, mark, slide_types

PICTURE = [new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "a cat"}})]
WORDS = [new_output("stream", text="71%")]


def code(source: str, outputs: tuple | list = (), **metadata: object) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


HIDDEN = {"jupyter": {"source_hidden": True}}
LESSON = [
    (new_markdown_cell("# 06 · Occlusion\n\nCover it."), "slide"),
    (code("import sys", tags=["setup"]), "skip"),
    (new_markdown_cell("## 1. Look\n\nA square.\n\n### Predict"), "slide"),
    (code('widgets.ask("a", "How much?", ["little", "much"])', **HIDDEN), "-"),
    (new_markdown_cell("### Code"), "skip"),
    (code("net = models.load()"), "subslide"),
    (new_markdown_cell("The square shows the mean."), "subslide"),
    (code("plot.show(figure)", PICTURE), "slide"),
    (new_markdown_cell("### Explore\n\nMove the slider."), "slide"),
    (code("panels.occlusion_map(net)", PICTURE), "-"),
    (code("panels.occlusion_fills(net)", PICTURE), "slide"),
    (new_markdown_cell("Press **Stop** when you have seen enough."), "subslide"),
    (new_markdown_cell("### Explore\n\n" + "Try another photo, and another layer. " * 9), "slide"),
    (code("panels.occlusion_map(net)", PICTURE), "slide"),
    (new_markdown_cell("### Explain\n\n" + "Red is evidence for the class. " * 9), "slide"),
    (code("plot.show(curves)", PICTURE), "slide"),
    (code("check.claim(net, left < 0.5, 'half')", WORDS, **HIDDEN), "-"),
    (code('widgets.recall("a", "much", "Half is left.")', WORDS, **HIDDEN), "-"),
    (code("print(left)", WORDS), "subslide"),
    (new_markdown_cell("So it is."), "slide"),
    (new_markdown_cell("### Code\n\nThe loop is short."), "subslide"),
    (code('widgets.ask("b", "And now?", ["yes", "no"])', **HIDDEN), "slide"),
    (new_markdown_cell("## 2. Measure\n\n" + "What a long story it is. " * 20 + "\n\n### Predict"), "slide"),
    (code('widgets.ask("c", "And then?", ["yes", "no"])', **HIDDEN), "slide"),
    (new_markdown_cell("## Your turn\n\nWrite the loop."), "slide"),
    (code("answer = ..."), "subslide"),
    (code("check.answer(answer, 3, 'look again')", WORDS, **HIDDEN), "subslide"),
    (new_markdown_cell("**Explain.** Why?"), "subslide"),
    (new_markdown_cell("## Summary\n\n- It costs."), "slide"),
]


def test_the_rule():
    lesson = new_notebook(cells=[cell for cell, _ in LESSON])
    found = [f"{kind}: {cell.source[:30]}" for cell, kind in zip(lesson.cells, slide_types(lesson), strict=True)]
    assert found == [f"{kind}: {cell.source[:30]}" for cell, kind in LESSON]


def test_marking_twice_changes_nothing_more_and_keeps_what_else_is_noted():
    lesson = new_notebook(cells=[cell for cell, _ in LESSON])
    assert not is_marked(lesson)
    once = dumps(mark(lesson))
    assert is_marked(lesson) and dumps(mark(lesson)) == once
    assert lesson.cells[1].metadata.tags == ["setup"] and lesson.cells[3].metadata.jupyter.source_hidden
    lesson.cells[7].outputs = []
    assert not is_marked(lesson), "without its picture it is code alone"


@pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_code_is_seen_by_who_does_not_go_down(path: Path):
    """On every notebook: panels and questions are slides, text under Code and bare code is below, no slide is empty."""
    notebook = read(path)
    types = slide_types(notebook)
    assert types[:2] == ["slide", "skip"]
    assert types[-1] == "slide" or path.parent != NOTEBOOKS, "a lesson ends with what to take away"
    level = ""
    for cell, kind in zip(notebook.cells, types, strict=True):
        level = kind if kind in ("slide", "subslide") else level
        seen = level == "slide" and kind != "skip"
        if cell.cell_type == "code" and not cell.outputs:
            assert not seen, cell.source
        if "widgets.ask(" in cell.source or "widgets.recall(" in cell.source:
            assert seen, cell.source


def test_the_script_marks_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    path = tmp_path / "06_occlusion.ipynb"
    path.write_text(dumps(new_notebook(cells=[cell for cell, _ in LESSON])), encoding="utf-8")
    monkeypatch.setattr(slides, "choose", lambda names: [path])
    for arguments, status, says in ((["--check"], 1, "run python"), ([], 0, "marked"), (["--check"], 0, "")):
        monkeypatch.setattr("sys.argv", ["slides.py", *arguments])
        assert slides.main() == status
        assert says in capsys.readouterr().out
    assert is_marked(read(path))


def test_it_is_asked_for_all_notebooks():
    assert {path.parent.name for path in find_notebooks()} == {NOTEBOOKS.name, "appendix", "solutions"}


@pytest.mark.parametrize(
    "source", ["explorer = panels.activation_map(net)", "1 + 1", "widgets.ask('eyes', 'Both?', ['yes'])"]
)
def test_a_notebook_may_begin_with_code(source):
    assert slide_types(new_notebook(cells=[code(source)]))[0] in ("slide", "subslide")
    assert slide_types(new_notebook(cells=[code(source, PICTURE)])) == ["slide"]
