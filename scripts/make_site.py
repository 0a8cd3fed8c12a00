"""Build the reading site in build/site: every notebook with its stored outputs, the guides, and vizlib's docstrings.

    python scripts/make_site.py            what changed since the last time
    python scripts/make_site.py --fresh    everything

Nothing is executed, and nothing is fetched: what the pages need (MathJax too) comes from installed packages. The pages
lie in build/site-source as they do in the repository, so that one relative link works on GitHub and on the site; a link
to a file that is no page of the site leads to the repository.
"""

import argparse
import base64
import io
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from notebook_files import ROOT, find_notebooks, is_setup, read
from PIL import Image, ImageStat
from update_links import Repository, read_repository

SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
OWN = ROOT / "docs" / "site"  # what only the site needs: the front page, the API's pages, conf.py
MARKDOWN_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
HTML_LINK = re.compile(r"""(?<=\bhref=")([^"]+)(?=")""")
STILL = re.compile(r"<small>A still picture\..*?</small>", re.DOTALL)
CARDS = "<!-- a card for each notebook -->"
CARD_WIDTH = 600  # pixels of a card's picture
MATHJAX = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2")


@dataclass(frozen=True)
class Pages:
    """The site's pages, by their path in the repository, and where a link between two files of it leads."""

    paths: frozenset[str]
    repository: Repository

    def link(self, target: str, page: str) -> str:
        """What a link of `page` to `target` becomes on the site: itself, another page, or an address on GitHub."""
        path, mark, anchor = target.partition("#")
        blob = f"https://github.com/{self.repository.name}/blob/{self.repository.branch}/"
        if path.startswith(blob) and path.removeprefix(blob) in self.paths:
            return posixpath.relpath(path.removeprefix(blob), posixpath.dirname(page) or ".") + mark + anchor
        if not path or ":" in path or path.startswith("/"):
            return target
        file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        if file == "README.md":
            return posixpath.relpath("index.md", posixpath.dirname(page) or ".") + mark + anchor
        if file in self.paths or is_picture(file):
            return target
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"https://github.com/{self.repository.name}/{kind}/{self.repository.branch}/{file}{mark}{anchor}"

    def relinked(self, text: str, page: str) -> str:
        """A Markdown text of `page` with the links of the site."""
        text = MARKDOWN_LINK.sub(lambda match: self.link(match[1], page), text)
        return HTML_LINK.sub(lambda match: self.link(match[1], page), text)


def is_picture(path: str) -> bool:
    return path.endswith((".png", ".jpg"))


def pages() -> Pages:
    """All pages that are files of the repository: the notebooks, and the Markdown files in docs/."""
    files = [*find_notebooks(), *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
    paths = frozenset(file.relative_to(ROOT).as_posix() for file in files)
    return Pages(paths, read_repository(ROOT / "pyproject.toml"))


# --- one notebook -----------------------------------------------------------------------------------------------------


def as_page(notebook: NotebookNode, path: str, site: Pages) -> NotebookNode:
    """The notebook as the site shows it: what JupyterLab hides is folded, and links lead to pages of the site."""
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if is_setup(cell):
            tags |= {"hide-cell"}
        elif cell.metadata.get("jupyter", {}).get("source_hidden"):
            tags |= {"hide-input"}
        if tags:
            cell.metadata["tags"] = sorted(tags)
        if cell.cell_type == "markdown":
            for name, picture in cell.pop("attachments", {}).items():
                cell.source = cell.source.replace(f"attachment:{name}", attached(name, picture, path))
            cell.source = site.relinked(cell.source, path)
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html")
            if html is not None:
                output.data["text/html"] = for_reading(html, path, site)
    return notebook


def attached(name: str, picture: NotebookNode, path: str) -> str:
    """Write a cell's attachment beside the pages, and return its address from the page at `path`."""
    ((_, data),) = picture.items()
    stem = Path(path).stem if name not in ("colab.png", "binder.png") else "badge"
    file = SOURCE / "pictures" / f"{stem}-{name}"
    write_bytes(file, base64.b64decode(data))
    return posixpath.relpath(file.relative_to(SOURCE).as_posix(), posixpath.dirname(path))


def for_reading(html: str, path: str, site: Pages) -> str:
    """HTML that a cell stored, with the site's links, and without sentences that ask to run a cell here."""
    html = STILL.sub(
        "<small>A still picture of a panel: its sliders move in Colab, on Binder or at home.</small>", html
    )
    html = html.replace("Run this cell to click an answer.", "Choose one before you read on.")
    html = HTML_LINK.sub(lambda match: re.sub(r"\.(ipynb|md)(?=#|$)", ".html", site.link(match[1], path)), html)
    return re.sub(r'href="(?!https?:|#)([^"]+)"', r'href="\1" class="reference internal"', html)


# --- the front page ---------------------------------------------------------------------------------------------------


def cards() -> str:
    """Markdown of the grid of notebooks: each one's best picture, title and first sentence."""
    lines = ["::::{grid} 1 2 2 3", ":gutter: 3", ""]
    for path in find_notebooks():
        if path.parent.name != "notebooks":
            continue
        title, sentence = read(path).cells[0].source.split("\n\n")[:2]
        picture, alt = shown_picture(path)
        lines += [
            f":::{{grid-item-card}} {title.removeprefix('# ')}",
            f":link: notebooks/{path.stem}",
            ":link-type: doc",
            f":img-top: {picture}",
            f":img-alt: {alt}",
            sentence,
            ":::",
            "",
        ]
    return "\n".join([*lines, "::::"])


def shown_picture(path: Path) -> tuple[str, str]:
    """The picture of a notebook's card, the best of its first three: its path from the front page, and its alt text."""
    found = [
        (base64.b64decode(data), output.metadata[kind]["alt"])
        for cell in read(path).cells
        for output in cell.get("outputs", [])
        for kind, data in output.get("data", {}).items()
        if kind in ("image/png", "image/jpeg")
    ]
    data, alt = max(found[:3], key=lambda pair: colorfulness(pair[0]))
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.thumbnail((CARD_WIDTH, CARD_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    file = f"pictures/{path.stem}.jpg"
    write_bytes(SOURCE / file, buffer.getvalue())
    return file, " ".join(alt.split())


def colorfulness(data: bytes) -> float:
    """How inviting a picture is beside a notebook's other ones: the mean saturation of its pixels, 0 to 255."""
    small = Image.open(io.BytesIO(data)).convert("HSV").resize((64, 64))
    return ImageStat.Stat(small.getchannel("S")).mean[0]


# --- the folder that Sphinx reads -------------------------------------------------------------------------------------


def write_bytes(path: Path, content: bytes) -> bool:
    """Write a file unless it holds this already, for Sphinx reads again what is newer than its page. Was it written?"""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


@cache
def mathjax() -> Path:
    """The folder of MathJax in the package that brings it."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise SystemExit("sphinx-mathjax-offline is not installed: pip install -e '.[site]'")
    return Path(spec.origin).parent / "static" / "mathjax"


def sources() -> Iterator[tuple[str, bytes]]:
    """Each file that Sphinx reads, and what is in it."""
    site = pages()
    for path in sorted(site.paths):
        if path.endswith(".ipynb"):
            yield path, nbformat.writes(as_page(read(ROOT / path), path, site)).encode()
        else:
            yield path, site.relinked((ROOT / path).read_text(encoding="utf-8"), path).encode()
    for file in [*(ROOT / "docs").glob("*.jpg"), *(ROOT / "docs").glob("badges/*.png")]:
        yield file.relative_to(ROOT).as_posix(), file.read_bytes()
    for file in sorted(path for path in OWN.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        path, content = file.relative_to(OWN).as_posix(), file.read_bytes()
        yield path, front_page(content.decode(), site).encode() if path == "index.md" else content
    for name in MATHJAX:
        found = mathjax() / name
        for file in sorted(found.glob("*")) if found.is_dir() else [found]:
            yield f"_static/mathjax/{file.relative_to(mathjax()).as_posix()}", file.read_bytes()


def front_page(text: str, site: Pages) -> str:
    """The front page with its cards."""
    return site.relinked(text, "index.md").replace(CARDS, cards())


def stage() -> set[str]:
    """Bring build/site-source up to date, and name the files that are new in it."""
    wanted = dict(sources())
    made = {f"pictures/{file.name}" for file in (SOURCE / "pictures").glob("*")}
    new = {path for path, content in wanted.items() if write_bytes(SOURCE / path, content)}
    for file in [path for path in SOURCE.rglob("*") if path.is_file()]:
        if file.relative_to(SOURCE).as_posix() not in wanted.keys() | made:
            file.unlink()
    return new


def build(fresh: bool = False) -> None:
    """Build the site; any warning of Sphinx is an error.

    Raises:
        SystemExit: Sphinx has warned or failed.
    """
    if fresh:
        shutil.rmtree(SOURCE, ignore_errors=True)
        shutil.rmtree(SITE, ignore_errors=True)
    changed = "conf.py" in stage()  # its functions change pages, which Sphinx would not read again for that
    doctrees = SOURCE.with_name("site-doctrees")
    command = ["-m", "sphinx", "--fail-on-warning", "--quiet", "--jobs", "2", *["--fresh-env"] * (fresh or changed)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, *command, "-d", doctrees, SOURCE, SITE], env=environment)
    if done.returncode:
        shutil.rmtree(doctrees, ignore_errors=True)  # or the pages that were warned about would pass the next time
        raise SystemExit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="build everything again")
    build(parser.parse_args().fresh)
    print(f"{sum(1 for _ in SITE.rglob('*.html'))} pages: open {SITE.relative_to(ROOT) / 'index.html'}")


if __name__ == "__main__":
    main()
