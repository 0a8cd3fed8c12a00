"""Say of every cell of the notebooks what it is when the notebook is shown as slides.

    python scripts/slides.py                    mark all notebooks
    python scripts/slides.py 09_gradient_ascent
    python scripts/slides.py --check            change nothing; name those whose marks are not the rule's

The marks are Jupyter's own (`slideshow.slide_type`); jupyterlab-rise and `nbconvert --to slides` read them. From left
to right the slides are the talk: title, question, picture, panel, take-away. Whatever explains or is code stands one
level below the slide before it (a subslide), so that nobody sees it who does not go down. A question, a picture or
a panel begins a slide of its own where the text before it is too long for both. `make present` opens it.
"""

import argparse
import re
import sys

from nbformat import NotebookNode
from notebook_files import choose, dumps, has_picture, is_setup, read, write

SLIDE, BELOW, SAME, SKIP = "slide", "subslide", "-", "skip"
HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)
TALK = ("Predict", "Explore", "Explain", "Summary")  # headings whose text an audience reads
CLICKED = re.compile(r"\bwidgets\.(ask|recall)\(")
SHORT = 80  # characters of a text that leave room for a picture or a panel on the same slide
LONG = 500  # characters of a text that leave no room for a question and its answers
PANEL = re.compile(r"\bpanels\.\w+\(")


def slide_types(notebook: NotebookNode) -> list[str]:
    """For each cell its slide type: 'slide', 'subslide', '-' (on the slide of the cell before it) or 'skip'."""
    types: list[str] = []
    talk, exercise, explore = True, False, False  # what the last heading was about
    for number, cell in enumerate(notebook.cells):
        top = next((kind for kind in reversed(types) if kind in (SLIDE, BELOW)), SLIDE) == SLIDE
        here = SAME if types and top else SLIDE  # on the slide before, unless that one is below
        heads = types[-1:] == [SLIDE]  # the cell before begins a slide
        if is_setup(cell):
            kind = SKIP
        elif cell.cell_type == "markdown":
            headings = HEADING.findall(cell.source)
            if headings:
                talk = number == 0 or cell.source.startswith("## ") or headings[-1].startswith(TALK)
                exercise = headings[0] == "Your turn" or (exercise and not cell.source.startswith("## "))
                explore = headings[-1].startswith("Explore")
            told = talk and (headings or not (exercise or explore))
            kind = SLIDE if told else SKIP if HEADING.sub("", cell.source).strip() == "" else BELOW
        elif CLICKED.search(cell.source):
            before = notebook.cells[number - 1]
            long = number > 0 and before.cell_type == "markdown" and len(before.source) > LONG
            kind = SLIDE if long else here
        elif exercise:
            kind = BELOW
        elif PANEL.search(cell.source) or any(has_picture(output.get("data", {})) for output in cell.outputs):
            before = notebook.cells[number - 1]
            room = heads and before.cell_type == "markdown" and len(before.source) < SHORT
            kind = here if room else SLIDE
        elif talk and cell.outputs and not shows_code(cell):
            kind = here
        else:
            kind = BELOW
        types.append(kind)
    return types


def shows_code(cell: NotebookNode) -> bool:
    """Whether a reader of the notebook sees the cell's source."""
    return not cell.metadata.get("jupyter", {}).get("source_hidden", False)


def mark(notebook: NotebookNode) -> NotebookNode:
    """Write each cell's slide type into its metadata; what else stands there stays."""
    for cell, kind in zip(notebook.cells, slide_types(notebook), strict=True):
        cell.metadata["slideshow"] = NotebookNode(slide_type=kind)
    return notebook


def is_marked(notebook: NotebookNode) -> bool:
    """Whether every cell's mark is the rule's."""
    marks = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells]
    return marks == slide_types(notebook)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to mark (default: all)")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a mark is missing or old")
    args = parser.parse_args()
    unmarked = [path for path in choose(args.names) if not is_marked(read(path))]
    for path in unmarked:
        print(f"{path.parent.name}/{path.name}: {'run python scripts/slides.py' if args.check else 'marked'}")
        if not args.check:
            write(path, dumps(mark(read(path))))
    return int(args.check and bool(unmarked))


if __name__ == "__main__":
    sys.exit(main())
