"""Where the notebooks are, how their files are written, and whether their outputs match their code."""

import hashlib
import json
import os
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SETUP_TAG = "setup"  # marks the set-up cell, which scripts/update_links.py writes


def find_notebooks(folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks in order, then the appendix and the solutions in order."""
    return [path for part in ("*.ipynb", "appendix/*.ipynb", "solutions/*.ipynb") for path in sorted(folder.glob(part))]


def choose(names: list[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks of these names ('01_filters', 'solutions/01_filters', or their paths); all when there are none."""
    known = {path.relative_to(folder).with_suffix("").as_posix(): path for path in find_notebooks(folder)}
    wanted = [name.removeprefix("notebooks/").removesuffix(".ipynb") for name in names] or list(known)
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no notebook {name!r}; there are {', '.join(known)}")
    if not wanted:
        raise SystemExit(f"no notebooks in {folder}")
    return [known[name] for name in wanted]


def read(path: Path) -> NotebookNode:
    """The notebook in format 4.5; a cell without an id gets one that depends only on its position and its text."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    for index, cell in enumerate(raw["cells"]):
        source = "".join(cell["source"])
        cell.setdefault("id", hashlib.sha256(f"{index}:{source}".encode()).hexdigest()[:8])
    raw["nbformat_minor"] = max(raw["nbformat_minor"], 5)
    return nbformat.reads(json.dumps(raw), as_version=4)


def dumps(notebook: NotebookNode) -> str:
    """The text of a notebook file; equal notebooks give equal text."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def write(path: Path, text: str) -> None:
    """Replace a file in one step, so that an interrupted run leaves the old one intact."""
    part = path.with_suffix(".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def is_setup(cell: NotebookNode) -> bool:
    """Whether this is the set-up cell."""
    return SETUP_TAG in cell.metadata.get("tags", [])


def has_picture(data: dict) -> bool:
    """Whether an output's data, by media type, holds an image."""
    return any(kind.startswith("image/") for kind in data) or "<img" in data.get("text/html", "")


def code_sha256(notebook: NotebookNode) -> str:
    """A hash of the code cells' sources, without the set-up cell, because a fork changes only the link in that cell."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_setup(cell)]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def is_stale(notebook: NotebookNode) -> bool:
    """Whether the outputs were made by other code than the notebook now holds, or there is no record of it."""
    return notebook.metadata.get("vizlib", {}).get("code_sha256") != code_sha256(notebook)
