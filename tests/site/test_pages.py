"""The reading site as files: nothing is missing, nothing leads nowhere, nothing needs a network."""

import importlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import make_site
import pytest
from bs4 import BeautifulSoup
from make_site import Pages
from notebook_files import ROOT, find_notebooks, read
from update_links import Repository

NOTEBOOKS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in find_notebooks()]
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


@cache
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert len(found) > len(NOTEBOOKS)
    return [path for path in found if "_static" not in path.parts]


def text_of(site: Path, name: str) -> str:
    return " ".join(parsed(site / f"{name}.html").get_text().split())


# --- links and what is loaded -----------------------------------------------------------------------------------------


def addresses(page: BeautifulSoup) -> Iterator[str]:
    """Everything that a page links to or loads."""
    for tag, attribute in {"a": "href", **LOADED}.items():
        yield from (element[attribute] for element in page.find_all(tag, {attribute: True}))


@cache
def anchors(path: Path) -> set[str]:
    return {element["id"] for element in parsed(path).find_all(id=True)}


def test_no_link_of_the_site_is_broken(site):
    broken = []
    for page in pages(site):
        for address in addresses(parsed(page)):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not file.is_file():
                broken.append(f"{page.relative_to(site)}: {address}")
            elif parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in anchors(file):
                broken.append(f"{page.relative_to(site)}: no anchor {address}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    elsewhere = []
    for page in pages(site):
        for tag, attribute in LOADED.items():
            for element in parsed(page).find_all(tag, {attribute: True}):
                if urlsplit(element[attribute]).netloc and element.get("rel") != ["canonical"]:
                    elsewhere.append(f"{page.relative_to(site)}: {element[attribute]}")
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        elsewhere += re.findall(r"""(?:@import\s+["']?|url\(\s*["']?)((?:https?:)?//[^)"']+)""", text)
    assert elsewhere == []


def test_formulas_are_set_by_the_site_itself(site):
    page = parsed(site / "notebooks" / "07_saliency.html")
    (script,) = [element["src"] for element in page.find_all("script", src=True) if "mathjax" in element["src"]]
    mathjax = (site / "notebooks" / script.split("?")[0]).resolve()
    assert mathjax.is_relative_to(site.resolve()) and mathjax.is_file()
    assert len(list((mathjax.parent / "output/chtml/fonts/woff-v2").glob("*.woff"))) > 20
    assert len(page.select(".math")) > 5


# --- the notebooks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_there_with_all_its_pictures(name, site):
    notebook, page = read(ROOT / f"{name}.ipynb"), parsed(site / f"{name}.html")
    stored = [
        " ".join(output.metadata[kind]["alt"].split())
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    shown = [" ".join(image["alt"].split()) for image in page.select(".cell_output img.output, .cell_output img[alt]")]
    assert [alt for alt in stored if alt not in shown] == []
    assert len(shown) >= len(stored)
    assert all(image.get("alt") for image in page.select("article img"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_leads_to_colab_and_binder(name, site):
    links = {link["href"] for link in parsed(site / f"{name}.html").select("article a[href]")}
    assert any(link.startswith("https://colab.research.google.com/") and f"/{name}.ipynb" in link for link in links)
    assert any(link.startswith("https://mybinder.org/") for link in links)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nothing_asks_to_run_a_cell_that_cannot_be_run(name, site):
    text = text_of(site, name)
    assert "Run this cell to click" not in text
    assert "A still picture. Run" not in text


def test_code_is_folded_where_jupyterlab_hides_it(site):
    notebook, page = read(ROOT / "notebooks/07_saliency.ipynb"), parsed(site / "notebooks/07_saliency.html")
    hidden = sum(1 for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden"))
    folded = page.select("details.hide")
    assert len(folded) == hidden + 1, "and the set-up cell"
    assert not any(element.has_attr("open") for element in folded)


def test_answers_are_folded(site):
    page = parsed(site / "notebooks/07_saliency.html")
    titles = [element.get_text(strip=True) for element in page.select("details > summary")]
    assert titles.count("The answer to the prediction") == 3
    assert "A model answer" in titles


# --- front page, guides, search, reference ----------------------------------------------------------------------------


def test_the_front_page_shows_every_notebook(site):
    page = parsed(site / "index.html")
    lessons = [name for name in NOTEBOOKS if name.count("/") == 1]
    cards = page.select(".sd-card")
    assert [card.select_one("a[href]")["href"] for card in cards] == [f"{name}.html" for name in lessons]
    assert all(card.select_one("img")["alt"] for card in cards)
    gallery = "gallery.jpg" if (ROOT / "docs" / "gallery.jpg").exists() else "front.jpg"
    assert any(image["src"].endswith(gallery) for image in page.select("article img"))


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "docs").glob("*.md")))
def test_every_guide_is_a_page_of_the_menu(name, site):
    menu = parsed(site / "index.html").select(".bd-sidebar-primary a[href]")
    assert f"docs/{name}.html" in {link["href"] for link in menu}


def test_the_search_has_an_index(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    names = index["docnames"]
    assert set(NOTEBOOKS) <= set(names)
    assert names.index("notebooks/07_saliency") in index["terms"]["grabcut"]


PACKAGES = ["images", "images.galleries", "models", "optimize", "plot", "widgets", "widgets.panels"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_has_every_public_name(package, site):
    module = importlib.import_module(f"vizlib.{package}")
    described = set().union(*(anchors(path) for path in (site / "api").glob("*.html")))
    assert {name for name in module.__all__ if f"vizlib.{package}.{name}" not in described} == set()


def test_the_reference_has_every_method_of_the_lecture(site):
    described = set().union(*(anchors(path) for path in (site / "api").glob("*.html")))
    for package in ("analysis", "synthesis"):
        for path in (ROOT / "vizlib" / package).glob("[!_]*.py"):
            assert f"module-vizlib.{package}.{path.stem}" in described


# --- where links lead -------------------------------------------------------------------------------------------------

SITE = Pages(
    frozenset({"notebooks/01_a.ipynb", "notebooks/appendix/05_b.ipynb", "docs/guide.md"}), Repository("me/it", "x")
)


@pytest.mark.parametrize(
    ("page", "target", "leads_to"),
    [
        ("docs/guide.md", "../notebooks/01_a.ipynb", "../notebooks/01_a.ipynb"),
        ("docs/guide.md", "../README.md#help", "../index.md#help"),
        ("docs/guide.md", "#here", "#here"),
        ("docs/guide.md", "../data/it.json", "https://github.com/me/it/blob/x/data/it.json"),
        ("docs/guide.md", "../notebooks/solutions", "https://github.com/me/it/tree/x/notebooks/solutions"),
        ("notebooks/01_a.ipynb", "appendix/05_b.ipynb", "appendix/05_b.ipynb"),
        ("notebooks/appendix/05_b.ipynb", "https://github.com/me/it/blob/x/docs/guide.md", "../../docs/guide.md"),
        ("notebooks/01_a.ipynb", "https://arxiv.org/abs/1", "https://arxiv.org/abs/1"),
        ("notebooks/01_a.ipynb", "attachment:badge.png", "attachment:badge.png"),
        ("notebooks/01_a.ipynb", "picture.png", "picture.png"),
    ],
)
def test_a_link_leads_to_a_page_or_to_the_repository(page, target, leads_to):
    assert SITE.link(target, page) == leads_to


def test_html_of_a_cell_is_for_reading():
    html = '<a href="01_a.ipynb#x">one</a><small>A still picture. Run it; <code>A=1</code>.</small>'
    shown = make_site.for_reading(html, "notebooks/02_c.ipynb", SITE)
    assert '<a href="01_a.html#x"' in shown
    assert "Run it" not in shown and "still picture" in shown
