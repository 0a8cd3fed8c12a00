"""scripts/update_links.py: the links that there are, and what a fork's run changes."""

import base64
import io
import shutil
from pathlib import Path

import make_badges
import pytest
import update_links
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_markdown_cell, new_notebook
from notebook_files import ROOT, dumps, find_notebooks, read, write
from PIL import Image
from update_links import Repository, change_repository, read_repository, relinked, stale_files, updated


def test_all_links_are_those_of_pyproject():
    assert find_notebooks(), "no notebooks in notebooks/"
    stale = [path.relative_to(ROOT).as_posix() for path in stale_files()]
    assert not stale, f"run python scripts/update_links.py: stale links in {', '.join(stale)}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with the real pyproject.toml and texts, and one notebook that has neither badges nor set-up."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "ways_in.md", tmp_path / "docs")
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    notebook = new_notebook(cells=[new_markdown_cell("# 01 · Filters\n\nOne sentence.\n\n**Objectives**")])
    for name in ("01_filters.ipynb", "solutions/01_filters.ipynb"):
        (tmp_path / "notebooks" / name).write_text(dumps(notebook), encoding="utf-8")
    return tmp_path


def update(project: Path) -> list[str]:
    stale = stale_files(project)
    for path, text in stale.items():
        write(path, text)
    return [path.relative_to(project).as_posix() for path in stale]


def test_badges_and_setup_are_added_once(project):
    assert update(project) == ["notebooks/01_filters.ipynb", "notebooks/solutions/01_filters.ipynb"]
    assert update(project) == []
    head, setup = read(project / "notebooks" / "solutions" / "01_filters.ipynb").cells
    title, sentence, badges, rest = head.source.split("\n\n")
    name = read_repository(project / "pyproject.toml").name
    assert (title, sentence, rest) == ("# 01 · Filters", "One sentence.", "**Objectives**")
    assert (
        f"](https://colab.research.google.com/github/{name}/blob/main/notebooks/solutions/01_filters.ipynb)" in badges
    )
    assert f"](https://mybinder.org/v2/gh/{name}/main?labpath=notebooks%2Fsolutions%2F01_filters.ipynb)" in badges
    assert "[![Open in Colab](attachment:colab.png)](" in badges
    assert "[![Launch on Binder](attachment:binder.png)](" in badges
    assert setup.metadata.tags == ["setup"]


def test_a_notebook_carries_the_drawn_badges_beside_its_own_pictures():
    mine = {"mine.png": {"image/png": "aGk="}}
    head = new_markdown_cell("# 01 · Filters\n\n![mine](attachment:mine.png)", attachments=mine)
    attached = updated(new_notebook(cells=[head]), "a.ipynb", Repository("ada/looking", "main")).cells[0].attachments
    assert set(attached) == {"mine.png", "colab.png", "binder.png"}
    for name in ("colab.png", "binder.png"):
        drawn = (ROOT / "docs" / "badges" / name).read_bytes()
        assert base64.b64decode(attached[name]["image/png"]) == drawn
        assert Image.open(io.BytesIO(drawn)).height == make_badges.HEIGHT


def test_a_fork_rewrites_every_link(project):
    update(project)
    old = read_repository(project / "pyproject.toml").name
    change_repository(project / "pyproject.toml", "ada/looking", "spring/2027")
    texts = ["README.md", "docs/ways_in.md"]
    assert update(project) == [*texts, "notebooks/01_filters.ipynb", "notebooks/solutions/01_filters.ipynb"]
    assert update(project) == []
    for path in [*project.rglob("*.ipynb"), *project.rglob("*.md"), project / "pyproject.toml"]:
        assert old not in path.read_text(encoding="utf-8"), path
    head, setup = read(project / "notebooks" / "01_filters.ipynb").cells
    assert "/ada/looking/blob/spring/2027/notebooks/01_filters.ipynb)" in head.source
    assert "/gh/ada/looking/spring%2F2027?labpath=" in head.source
    assert "git+https://github.com/ada/looking@spring/2027" in setup.source


def test_only_links_to_the_repository_change():
    fork = Repository("ada/looking", "main")
    same = "[torch](https://github.com/pytorch/pytorch) and [Colab](https://colab.research.google.com/)"
    assert relinked(same, fork) == same
    assert (
        relinked("pip install git+https://github.com/b/c@d", fork)
        == "pip install git+https://github.com/ada/looking@main"
    )
    assert relinked("git clone https://github.com/b/c\ncd c", fork) == "git clone https://github.com/ada/looking\ncd c"


@pytest.mark.parametrize("on_colab", [True, False])
def test_the_setup_cell_installs_on_colab_only_and_never_torch(on_colab, monkeypatch, capsys):
    calls = []

    class Shell:
        def run_line_magic(self, *call: str) -> None:
            calls.append(call)

    if on_colab:
        monkeypatch.setitem(update_links.sys.modules, "google.colab", object())
    code = TransformerManager().transform_cell(Repository("ada/looking", "main").setup)
    exec(code, {"get_ipython": Shell})
    assert capsys.readouterr().out.startswith("vizlib ")
    options = "install -q --no-deps anywidget pooch psygnal safetensors git+https://github.com/ada/looking@main"
    assert calls == ([("pip", options)] if on_colab else [])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("/tree/main/notebooks", "", "expected https://github.com/OWNER/NAME/tree/BRANCH/notebooks"),
        ('Repository = "https://github.com/', 'Repository = "https://github.com/x', "name one repository"),
    ],
)
def test_urls_that_cannot_be_read(old, new, words, project):
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(old, new))
    with pytest.raises(ValueError, match=words):
        read_repository(pyproject)


def test_a_notebook_must_begin_with_its_title():
    with pytest.raises(ValueError, match="a.ipynb: cell 0 must be Markdown"):
        updated(new_notebook(), "a.ipynb", Repository("ada/looking", "main"))
