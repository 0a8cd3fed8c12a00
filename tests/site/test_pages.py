"""The reading site as files: nothing is missing, nothing leads nowhere, nothing needs a network."""

import importlib
import inspect
import json
import re
from functools import cache
from html.parser import HTMLParser
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


class Addresses(HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self, page: Path):
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors.add(found.get("id") or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif found.get(LOADED.get(tag, "")) and found.get("rel") != "canonical":
            self.loads.append(found[LOADED[tag]])


@cache
def addresses(page: Path) -> Addresses:
    return Addresses(page)


@cache
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    found = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    assert len(found) > len(NOTEBOOKS)
    return found


# --- links and what is loaded -----------------------------------------------------------------------------------------


def test_no_link_of_the_site_is_broken(site):
    broken = []
    for page in pages(site):
        for address in addresses(page).links + addresses(page).loads:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not file.is_file():
                broken.append(f"{page.relative_to(site)}: {address}")
            elif parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in addresses(file).anchors:
                broken.append(f"{page.relative_to(site)}: no anchor {address}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = {address for page in pages(site) for address in addresses(page).loads}
    elsewhere = [address for address in loaded if urlsplit(address).netloc]
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        elsewhere += re.findall(r"""(?:@import\s+["']?|url\(\s*["']?)((?:https?:)?//[^)"']+)""", text)
    assert elsewhere == []


def test_formulas_are_set_by_the_site_itself(site):
    page = site / "notebooks" / "07_saliency.html"
    (script,) = [address for address in addresses(page).loads if "mathjax" in address]
    mathjax = (page.parent / script.split("?")[0]).resolve()
    assert mathjax.is_relative_to(site.resolve()) and mathjax.is_file()
    assert len(list((mathjax.parent / "output/chtml/fonts/woff-v2").glob("*.woff"))) > 20
    assert len(parsed(page).select(".math")) > 5


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
    shown = [" ".join(image["alt"].split()) for image in page.select(".cell_output img")]
    assert [alt for alt in stored if alt not in shown] == []
    assert len(shown) >= len(stored)
    assert all(image.get("alt") for image in page.select("article img"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_leads_to_colab_and_binder(name, site):
    links = addresses(site / f"{name}.html").links
    assert any(link.startswith("https://colab.research.google.com/") and f"/{name}.ipynb" in link for link in links)
    assert any(link.startswith("https://mybinder.org/") for link in links)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nothing_asks_to_run_a_cell_that_cannot_be_run(name, site):
    text = (site / f"{name}.html").read_text(encoding="utf-8")
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
    assert any(image["src"].endswith("gallery.jpg") for image in page.select("article img"))


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
    names = {name for name in module.__all__ if inspect.isroutine(it := getattr(module, name)) or inspect.isclass(it)}
    assert names
    described = set().union(*(addresses(path).anchors for path in (site / "api").glob("*.html")))
    assert {name for name in names if f"vizlib.{package}.{name}" not in described} == set()


def test_the_reference_has_every_method_of_the_lecture(site):
    described = set().union(*(addresses(path).anchors for path in (site / "api").glob("*.html")))
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
