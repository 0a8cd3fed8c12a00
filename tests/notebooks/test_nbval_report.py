"""The plugin for nbval on small made-up notebooks, in one process and in two."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import PIL.Image
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from notebook_files import ROOT, dumps, read
from run_notebooks import run

pytestmark = pytest.mark.slow

NUMBER = "print('accuracy: 0.731 of 64 photos, in 2.5 s')"
PICTURE = "from PIL import Image\nImage.new('RGB', (160, 120), (200, 30, 30))"


class Cell(NamedTuple):
    """A cell that shows something else than it did: what it is, what became what in it, and what the message says."""

    code: str
    old: str
    new: str
    words: str = ""
    tolerance: dict = {}


EXEMPT = {"numbers": None, "pictures": None}
FINE = [
    Cell(NUMBER, "0.731", "0.731"),
    Cell(NUMBER, "2.5 s", "17.0 s"),
    Cell(PICTURE, "200, 30", "200, 31"),
    Cell(NUMBER, "0.731", "0.531", tolerance=EXEMPT),
    Cell(PICTURE, "200, 30", "30, 200", tolerance=EXEMPT),
]
CHANGED = [
    Cell(PICTURE, "200, 30", "30, 200", "picture 1 is 113.3 grey levels off at its worst place, 8.0 allowed"),
    Cell(NUMBER, "0.731", "0.531", "0.531 instead of 0.731: 27.2% apart, 5.0% allowed"),
    Cell(NUMBER, "photos", "drawings", "the text is 'accuracy: 0.731 of 64 drawings, in some s'", EXEMPT),
    Cell(PICTURE, "(160", "(170", "picture 1 has 170x120 pixels instead of 160x120", EXEMPT),
    Cell(PICTURE, "Image.new", "None and Image.new", "0 pictures instead of 1", EXEMPT),
    Cell(NUMBER, "print", "1 / 0; print", "ZeroDivisionError", EXEMPT),
]


def store(path: Path, cells: list[Cell]) -> None:
    """A notebook whose outputs are those of the code before it was changed."""
    metadata = [{"vizlib": {"tolerance": cell.tolerance}} for cell in cells]
    codes = [new_code_cell(cell.code, metadata=m) for cell, m in zip(cells, metadata, strict=True)]
    path.write_text(dumps(new_notebook(cells=codes)), encoding="utf-8")
    run(path)
    notebook = read(path)
    for stored, cell in zip(notebook.cells, cells, strict=True):
        stored.source = cell.code.replace(cell.old, cell.new)
    path.write_text(dumps(notebook), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    store(folder / "fine.ipynb", FINE)
    store(folder / "changed.ipynb", CHANGED)
    return folder


def check(folder: Path, *options: str) -> str:
    """What pytest says of the notebooks in a folder, in a process of its own."""
    paths = os.pathsep.join(map(str, [ROOT / "tests" / "notebooks", ROOT / "scripts", ROOT]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ("-p", "nbval_report", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", *options)
    command = [sys.executable, "-m", "pytest", "--color=no", "-rf", *options, "changed.ipynb", "fine.ipynb"]
    environment = kept | {"PYTHONPATH": paths, "TMPDIR": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout


def message(cell: int, said: str) -> str:
    """What is said of a cell of `changed`, below its heading."""
    (text,) = re.findall(rf"^_+ \S*changed\.ipynb::Cell {cell} _+\n(.*?)^[_=]{{20}}", said, re.DOTALL | re.MULTILINE)
    return text


def both_can_be_looked_at(said: str) -> bool:
    """Whether the picture and the words are in the folders that the messages name, as they were and as they are."""
    picture, number = (Path(re.search(r"\(both are in (.*)\)", message(cell, said))[1]) for cell in (0, 1))
    pixels = [PIL.Image.open(picture / f"picture1-{when}.png").getpixel((0, 0)) for when in ("before", "after")]
    texts = [(number / f"words-{when}.txt").read_text(encoding="utf-8") for when in ("before", "after")]
    return pixels == [(200, 30, 30), (30, 200, 30)] and "0.731" in texts[0] and "0.531" in texts[1]


def test_what_changed_fails_and_the_table_has_a_line_for_each(folder: Path) -> None:
    said = check(folder, "-n", "2", "--dist", "loadscope")
    failed = re.findall(r"^FAILED (\S+)::Cell (\d+)", said, re.MULTILINE)
    assert sorted(failed) == [("changed.ipynb", str(index)) for index in range(len(CHANGED))]
    assert f"{len(CHANGED)} failed, {len(FINE)} passed" in said
    for index, cell in enumerate(CHANGED):
        assert f"Cell {index}: " in message(index, said)
        assert cell.words in message(index, said)
    assert both_can_be_looked_at(said)

    lines = said[said.index("= notebooks =") :].splitlines()[2:4]
    changed, fine = (line.split() for line in lines)
    assert (changed[0], fine[0]) == ("changed", "fine")
    assert changed[3:] == ["113.3", "Cell", "0", "27.2%", "Cell", "1"]
    assert fine[3:] == ["113.3", "Cell", "4", "27.2%", "Cell", "3"]
    for _, seconds, peak, *_ in (changed, fine):
        assert float(seconds) > 0.1
        assert 20 < float(peak) < 2000


def test_on_demand_nothing_fails_and_the_table_says_it(folder: Path) -> None:
    said = check(folder, "--nbval-outputs=report", "-k", "changed and not 5")
    assert " failed" not in said
    assert re.search(r"^changed .* 113\.3  Cell 0 ", said, re.MULTILINE)
