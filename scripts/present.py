"""For a projector: a notebook as slides, or its panels alone, with live controls.

    python scripts/present.py slides 09         in JupyterLab, with jupyterlab-rise; `make present NOTEBOOK=09`
    python scripts/present.py panel 12          full window, without code, through Voilà; `make panel NOTEBOOK=12`
    python scripts/present.py panel 12 --panel guided_dream
    python scripts/present.py static 09         a page of slides that needs no kernel, in build/slides/

What comes after `--` goes to JupyterLab, Voilà or nbconvert as it is. All of them listen on this machine alone.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lesson_cells import sliced
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_files import NOTEBOOKS, ROOT, dumps, find_notebooks, is_setup, read, write
from run_notebooks import KERNELSPEC
from slides import mark

BUILD = ROOT / "build"
EXTENSION = ROOT / "scripts" / "rise"  # what jupyterlab-rise needs beside it, and its settings
PARTS = {  # what a page of slides needs beside it: the npm package, its version, nbconvert's option, its file
    "reveal.js": ("4", "reveal_url_prefix", ""),
    "requirejs": ("2", "require_js_url", "/require.js"),
    "jquery": ("3", "jquery_url", "/dist/jquery.min.js"),
    "mathjax": ("2", "mathjax_url", "/MathJax.js?config=TeX-AMS_CHTML-full,Safe"),
}
CALL = re.compile(r"\bpanels\.(\w+)\(")
SECTION = re.compile(r"^##? (.+)$", re.MULTILINE)


def find(name: str) -> Path:
    """The notebook that is meant by '09', '09_gradient_ascent', 'appendix/07' or a path.

    Raises:
        SystemExit: There is none; the message lists what there is.
    """
    wanted = name.removeprefix("notebooks/").removesuffix(".ipynb")
    known = {path.relative_to(NOTEBOOKS).with_suffix("").as_posix(): path for path in find_notebooks()}
    for slug, path in known.items():
        if slug == wanted or slug.startswith(f"{wanted}_"):
            return path
    raise SystemExit(f"no notebook {name!r}; there are {', '.join(known)}")


def panels_in(notebook: NotebookNode) -> dict[str, tuple[str, str]]:
    """The panels of a notebook in order: for each name the source of its cell, and the title of its section."""
    found, section = {}, ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (titles := SECTION.findall(cell.source)):
            section = titles[-1]
        if cell.cell_type == "code":
            for name in CALL.findall(cell.source):
                found.setdefault(name, (cell.source, section))
    return found


def panel_notebook(path: Path, only: str = "") -> NotebookNode:
    """A notebook of the set-up cell, what the panels need of the other cells, and the panels under their titles.

    Args:
        path: The lesson.
        only: The name of one of its panels; '' for all.

    Raises:
        SystemExit: The lesson has no panel, or none of that name.
    """
    lesson = read(path)
    panels = panels_in(lesson)
    if not panels or (only and only not in panels):
        raise SystemExit(f"no panel {only} in {path.name}; it has {', '.join(panels) or 'none'}".replace("  ", " "))
    chosen = {source: title for name, (source, title) in panels.items() if only in ("", name)}
    sources = [cell.source for cell in lesson.cells if cell.cell_type == "code" and not is_setup(cell)]
    cells = [new_code_cell(f"%%capture\n{cell.source}", id="setup") for cell in lesson.cells if is_setup(cell)]
    for number, source in enumerate(sliced(sources, tuple(chosen), path.name)):
        if source in chosen:
            cells.append(new_markdown_cell(f"## {chosen[source]}", id=f"title{number}"))
        cells.append(new_code_cell(source, id=f"cell{number}"))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC})


def command(what: str, path: Path, only: str, port: int, more: list[str]) -> list[str]:
    """What is to be run, after the files that it needs have been written."""
    if what == "slides":
        slug = path.relative_to(ROOT).as_posix()
        options = [f"--LabApp.default_url=/rise/{slug}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
        return ["-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", *options, *more]
    folder = BUILD / ("panels" if what == "panel" else "slides")
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / path.name
    if what == "panel":
        write(made, dumps(panel_notebook(path, only)))
        return ["-m", "voila", str(made), "--Voila.ip=127.0.0.1", f"--port={port}", "--theme=light", *more]
    lesson = mark(read(path))
    for cell in lesson.cells:
        if cell.cell_type == "code" and cell.metadata.slideshow.slide_type != "subslide":
            cell.metadata.tags = [*cell.metadata.get("tags", []), "talk"]
    write(made, dumps(lesson))
    options = ["--TagRemovePreprocessor.enabled=True", "--TagRemovePreprocessor.remove_input_tags=talk"]
    options += ["--SlidesExporter.reveal_theme=white", "--SlidesExporter.reveal_scroll=True"]
    options += ["--SlidesExporter.reveal_width=1280", "--SlidesExporter.reveal_height=720", *parts(folder)]
    return ["-m", "nbconvert", "--to", "slides", str(made), *options, *more]


def parts(folder: Path) -> list[str]:
    """nbconvert's options that have a page of slides take its scripts from beside it, after npm has put them there.

    Where npm is missing or reaches nothing, there are none: then the page asks the internet when it is opened.
    """
    packages = [f"{name}@{version}" for name, (version, *_) in PARTS.items()]
    there = [(folder / "node_modules" / name).is_dir() for name in PARTS]
    if not all(there):
        npm = shutil.which("npm")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
        if npm is None or subprocess.run(command, check=False).returncode:
            print("without npm's packages the page of slides needs the internet when it is opened", file=sys.stderr)
            return []
    return [f"--SlidesExporter.{option}=node_modules/{name}{file}" for name, (_, option, file) in PARTS.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["slides", "panel", "static"])
    parser.add_argument("notebook", metavar="NOTEBOOK", help="for example 09")
    parser.add_argument("--panel", default="", metavar="NAME", help="one panel alone (with 'panel')")
    parser.add_argument("--port", type=int, default=8888)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, more = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    arguments = command(args.what, find(args.notebook), args.panel, args.port, more)
    if args.what == "slides":
        for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
            os.environ[name] = os.pathsep.join(filter(None, [str(EXTENSION), os.environ.get(name)]))
    print("+", *arguments, flush=True)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main()
