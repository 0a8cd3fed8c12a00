"""The lecture's sections, their thumbnails, and the map of notebooks made of both."""

import base64
import json
import re
from pathlib import Path

import make_thumbnails
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from vizlib import assets, images, models
from vizlib.widgets.lecture import SECTIONS, Section, html_claims, html_map

ROOT = Path(__file__).resolve().parent.parent
SIDE = 96  # pixels of a thumbnail
LARGEST_THUMBNAIL, LARGEST_SET, LARGEST_MAP = 12_000, 120_000, 250_000  # bytes
ANALYSIS, SYNTHESIS = range(1, 9), range(9, 16)
SLUGS = [section.slug for section in SECTIONS]


def thumbnail(slug: str) -> Path:
    return assets.data_path(f"thumbnails/{slug}.png")


def parsed() -> BeautifulSoup:
    return BeautifulSoup(html_map(), "html.parser")


# --- sections -------------------------------------------------------------------------------------------------------


def test_there_are_sixteen_sections_in_order():
    assert [section.number for section in SECTIONS] == [f"{number:02}" for number in range(16)]
    assert len(set(SLUGS)) == 16
    assert all(re.fullmatch(r"\d\d(_[a-z]+)+", slug) for slug in SLUGS)


def test_the_lecture_has_an_analysis_and_a_synthesis_half():
    halves = {half: [int(s.number) for s in SECTIONS if s.half == half] for half in {s.half for s in SECTIONS}}
    assert halves.pop("") == [0]
    looking, making = sorted(halves)
    assert looking.startswith("Looking") and halves[looking] == list(ANALYSIS)
    assert making.startswith("Making") and halves[making] == list(SYNTHESIS)


@pytest.mark.parametrize("section", SECTIONS, ids=SLUGS)
def test_a_section_asks_a_question_and_describes_its_thumbnail(section: Section):
    assert section.title.strip() and section.question.endswith("?")
    assert len(section.thumbnail.split()) >= 2


def test_every_notebook_has_a_section():
    notebooks = [path for folder in ("notebooks", "notebooks/solutions") for path in (ROOT / folder).glob("*.ipynb")]
    assert notebooks, f"no notebook found under {ROOT / 'notebooks'}"
    assert sorted(path.stem for path in notebooks if path.stem not in SLUGS) == []


# --- thumbnails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_a_thumbnail_is_a_small_png_that_shows_something(slug: str):
    assert thumbnail(slug).stat().st_size <= LARGEST_THUMBNAIL
    with Image.open(thumbnail(slug)) as picture:
        assert (picture.format, picture.size) == ("PNG", (SIDE, SIDE))
        assert np.asarray(picture.convert("L")).std() > 8  # of 255: grey with faint edges has more


def test_thumbnails_and_sections_and_the_script_that_computes_them_are_in_step():
    files = list(thumbnail(SLUGS[0]).parent.iterdir())
    assert sorted(path.name for path in files) == [f"{slug}.png" for slug in SLUGS]
    assert sum(path.stat().st_size for path in files) <= LARGEST_SET
    assert list(make_thumbnails.THUMBNAILS) == SLUGS


@pytest.mark.parametrize("slug", ["01_filters", "04_activations"])
def test_the_thumbnails_show_the_network_that_ships(slug: str):
    computed = make_thumbnails.as_png(make_thumbnails.THUMBNAILS[slug](models.load("minivgg", device="cpu")))
    difference = (images.load(computed) - images.load(thumbnail(slug))).abs().mean().item()
    assert difference < 0.02, "the network has changed since: run python scripts/make_thumbnails.py"


# --- the map --------------------------------------------------------------------------------------------------------


def test_the_map_links_every_notebook_and_no_other():
    links = [link["href"] for link in parsed().select("a")]
    assert links == [f"{slug}.ipynb" for slug in SLUGS]
    assert set(links) == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_map_names_and_shows_every_section_under_its_half():
    rows = parsed().select("tr")
    headings = [index for index, row in enumerate(rows) if row.th]
    assert headings == [1, 4]  # after section 00, and after two rows of four
    assert [rows[index].get_text() for index in headings] == [SECTIONS[1].half, SECTIONS[9].half]
    assert [len(row.select("td")) for row in rows if not row.th] == [1, 4, 4, 4, 3]
    for section, row in zip(SECTIONS, parsed().select("td"), strict=True):
        assert all(text in row.get_text() for text in (section.number, section.title, section.question))
        assert int(row.img["width"]) >= 120, "legible on a projector"
        kind, data = row.img["src"].split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == thumbnail(section.slug).read_bytes()


def test_every_picture_of_the_map_has_an_alt_text_and_the_map_is_small():
    pictures = parsed().select("img")
    assert [picture["alt"] for picture in pictures] == [section.thumbnail for section in SECTIONS]
    assert all(picture["alt"].strip() for picture in pictures)
    assert len(html_map().encode()) < LARGEST_MAP


def test_the_table_of_claims_says_on_which_networks_each_held(tmp_path, monkeypatch):
    rows = [
        {"notebook": "01_filters", "claim": "a < b", "holds": {"minivgg": True, "alexnet": False}},
        {"notebook": "01_filters", "claim": "c", "holds": {"minivgg": True}},
        {"notebook": "09_gradient_ascent", "claim": "d", "holds": {"minivgg": True, "alexnet": True}},
    ]
    (tmp_path / "claims.json").write_text(json.dumps(rows))
    monkeypatch.setattr(assets, "data_path", lambda name: tmp_path / name)
    page = BeautifulSoup(html_claims(), "html.parser")
    table = [[cell.text for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]
    assert page.summary.text == "3 claims on 2 networks"
    assert table[:2] == [["", "minivgg", "alexnet"], ["all claims", "3 of 3", "1 of 2"]]
    assert table[2:5] == [["Filters of the first layer"], ["a < b", "yes", "no"], ["c", "yes", ""]]
    assert table[5:] == [["Gradient ascent"], ["d", "yes", "yes"]]


def test_the_claims_that_are_kept_hold_of_the_bundled_network_and_mostly_of_one_trained_on_imagenet():
    rows = json.loads(assets.data_path("claims.json").read_text(encoding="utf-8"))
    assert {row["notebook"] for row in rows} <= set(SLUGS) and len(rows) > 50
    assert all(row["holds"]["minivgg"] for row in rows)
    other = [row["holds"]["squeezenet1_0"] for row in rows if "squeezenet1_0" in row["holds"]]
    assert len(other) > 0.9 * len(rows) and sum(other) >= 0.7 * len(rows)
