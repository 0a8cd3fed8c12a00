"""Point the Colab and Binder links of all notebooks, the README and the guides at the repository of pyproject.toml.

    python scripts/update_links.py            after a notebook was added or renamed
    python scripts/update_links.py --check    change nothing; name the files with stale links
    python scripts/update_links.py --repository me/my-fork --branch spring

The last one is for a fork: it changes pyproject.toml first. Missing badges and set-up cells are added.
Notebooks carry the pictures of their badges, drawn by scripts/make_badges.py, so that they show on a page that is read
offline.
"""

import argparse
import base64
import copy
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from notebook_files import ROOT, SETUP_TAG, dumps, find_notebooks, is_setup, read, write

TEXTS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/site/**/*.md")
NOTEBOOKS_URL = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)/tree/(.+)/notebooks")
BADGES = re.compile(r"\[!\[Open in Colab\].*")
PICTURES = ("colab.png", "binder.png")  # in docs/badges/
SETUP = """\
# On Colab, this installs vizlib and leaves Colab's own torch and ipywidgets as they are. Explorers
# work there; a live run cannot be steered: it takes half a minute inside its cell.
import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps anywidget pooch psygnal safetensors git+https://github.com/{name}@{branch}

import vizlib

print(f"vizlib {{vizlib.__version__}} is ready")"""


@dataclass(frozen=True)
class Repository:
    """Where the notebooks are published: `name` is 'owner/name' on GitHub."""

    name: str
    branch: str

    @property
    def colab(self) -> str:
        """Beginning of a notebook's address on Colab; its path in the repository follows."""
        return f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/"

    @property
    def binder(self) -> str:
        """Beginning of an address on Binder; a query with the notebook's path follows."""
        return f"https://mybinder.org/v2/gh/{self.name}/{quote(self.branch, safe='')}"

    @property
    def setup(self) -> str:
        """The source of the set-up cell."""
        return SETUP.format(name=self.name, branch=self.branch)

    def badges(self, path: str) -> str:
        """Markdown of the two badges of the notebook at this path in the repository."""
        return (
            f"[![Open in Colab](attachment:colab.png)]({self.colab}{path})\n"
            f"[![Launch on Binder](attachment:binder.png)]({self.binder}?labpath={quote(path, safe='')})"
        )


def read_repository(pyproject: Path) -> Repository:
    """The repository that `[project.urls]` names.

    Raises:
        ValueError: Its `Notebooks` is not of the form https://github.com/OWNER/NAME/tree/BRANCH/notebooks, or its
            `Repository` is another one.
    """
    urls = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["urls"]
    match = NOTEBOOKS_URL.fullmatch(urls["Notebooks"])
    if not match:
        form = "https://github.com/OWNER/NAME/tree/BRANCH/notebooks"
        raise ValueError(f"Notebooks = {urls['Notebooks']!r} in [project.urls]: expected {form}")
    if urls["Repository"] != f"https://github.com/{match[1]}":
        raise ValueError(f"Repository = {urls['Repository']!r}, but Notebooks is in {match[1]!r}: name one repository")
    return Repository(match[1], match[2])


def relinked(text: str, repository: Repository) -> str:
    """A Markdown text with its links to Colab, to Binder and to the repository itself brought in line."""
    github = f"https://github.com/{repository.name}"
    for pattern, link in [
        (r"https://colab\.research\.google\.com/github/\S+?/blob/\S+?/(?=notebooks/)", repository.colab),
        (r"https://mybinder\.org/v2/gh/[^/\s]+/[^/\s]+/[^?)\s]+", repository.binder),
        (r"git\+https://github\.com/[^\s@]+@[^\s\"]+", f"git+{github}@{repository.branch}"),
        (r"git clone https://github\.com/\S+", f"git clone {github}"),
    ]:
        text = re.sub(pattern, link, text)
    return text


@cache
def attachments() -> dict[str, dict[str, str]]:
    """The badges as a Markdown cell holds them: for each name its media type and its bytes in base64."""
    folder = ROOT / "docs" / "badges"
    return {name: {"image/png": base64.b64encode((folder / name).read_bytes()).decode()} for name in PICTURES}


def updated(notebook: NotebookNode, path: str, repository: Repository) -> NotebookNode:
    """A copy with its badges in cell 0, after title and sentence, and its set-up in cell 1; what is missing is added.

    Args:
        path: Where the notebook is in the repository, for example 'notebooks/01_filters.ipynb'.
    """
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        raise ValueError(f"{path}: cell 0 must be Markdown and begin with the title")
    notebook = copy.deepcopy(notebook)
    head = notebook.cells[0]
    blocks = [block for block in head.source.split("\n\n") if not BADGES.match(block)]
    head.source = "\n\n".join([*blocks[:2], repository.badges(path), *blocks[2:]])
    head.attachments = NotebookNode(head.get("attachments", {}) | copy.deepcopy(attachments()))
    if len(notebook.cells) < 2 or not is_setup(notebook.cells[1]):
        notebook.cells.insert(1, new_code_cell(id="setup", metadata={"tags": [SETUP_TAG]}))
    notebook.cells[1].source = repository.setup
    return notebook


def stale_files(root: Path = ROOT) -> dict[Path, str]:
    """The files whose links are not those of `root`'s pyproject.toml, each with the text that it should have."""
    repository, stale = read_repository(root / "pyproject.toml"), {}
    for path in [path for pattern in TEXTS for path in sorted(root.glob(pattern))]:
        text = path.read_text(encoding="utf-8")
        if relinked(text, repository) != text:
            stale[path] = relinked(text, repository)
    for path in find_notebooks(root / "notebooks"):
        notebook = read(path)
        wanted = updated(notebook, path.relative_to(root).as_posix(), repository)
        if wanted != notebook:
            stale[path] = dumps(wanted)
    return stale


def change_repository(pyproject: Path, name: str, branch: str) -> None:
    """Rewrite the two addresses in `[project.urls]`."""
    old = read_repository(pyproject)
    text = pyproject.read_text(encoding="utf-8")
    text = text.replace(f"github.com/{old.name}/tree/{old.branch}/", f"github.com/{name}/tree/{branch}/")
    write(pyproject, text.replace(f'github.com/{old.name}"', f'github.com/{name}"'))
    read_repository(pyproject)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", metavar="OWNER/NAME", help="a fork on GitHub")
    parser.add_argument("--branch", default="main", help="its branch (with --repository; default: main)")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a link is stale")
    args = parser.parse_args()
    if args.repository:
        change_repository(ROOT / "pyproject.toml", args.repository, args.branch)
    stale = stale_files()
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)}: {'stale; run python scripts/update_links.py' if args.check else 'updated'}")
        if not args.check:
            write(path, text)
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
