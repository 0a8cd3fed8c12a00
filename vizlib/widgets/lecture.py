"""The lecture's sections in order, and the map of the notebooks that notebook 00 shows."""

import base64
import html
import json
from itertools import groupby
from typing import NamedTuple

from vizlib import assets

COLUMNS, CARD = 4, 120  # cards in a row of the map, and the width and height of their thumbnails in CSS pixels


class Section(NamedTuple):
    """One section of the lecture, in `notebooks/<slug>.ipynb`; `thumbnail` describes its small picture."""

    slug: str
    title: str
    question: str
    half: str
    thumbnail: str

    @property
    def number(self) -> str:
        """The two digits that the slug begins with."""
        return self.slug[:2]


_LOOK, _MAKE = "Looking: what does it respond to?", "Making: what would make it respond this way?"

SECTIONS = [
    Section(
        "00_start_here",
        "Start here",
        "does everything work here, and what will I see?",
        "",
        "a cup of coffee and bars for its three most probable classes",
    ),
    Section(
        "01_filters",
        "Filters of the first layer",
        "what templates does the network match?",
        _LOOK,
        "small colourful filters",
    ),
    Section(
        "02_nearest_neighbours",
        "Nearest neighbours",
        "which images does it find alike?",
        _LOOK,
        "a photo and its neighbours",
    ),
    Section(
        "03_pca_and_tsne", "PCA and t-SNE", "how is its feature space laid out?", _LOOK, "clusters of coloured dots"
    ),
    Section("04_activations", "Activations", "what fires on this image?", _LOOK, "activation maps of a cat"),
    Section(
        "05_maximal_patches",
        "Maximally activating patches",
        "what does this neuron look for?",
        _LOOK,
        "similar patches",
    ),
    Section(
        "06_occlusion",
        "Occlusion",
        "which pixels matter, by covering them?",
        _LOOK,
        "a cup of coffee with a grey square, and a heat map",
    ),
    Section(
        "07_saliency", "Saliency", "which pixels matter, by gradient?", _LOOK, "bright pixels in the shape of a cup"
    ),
    Section(
        "08_guided_backprop", "Guided backprop", "which pixels matter to this neuron?", _LOOK, "edges of a cat on grey"
    ),
    Section(
        "09_gradient_ascent",
        "Gradient ascent",
        "what image would excite this neuron most?",
        _MAKE,
        "butterfly-like shapes in bright colours",
    ),
    Section(
        "10_adversarial_examples",
        "Adversarial examples",
        "how little must change to fool it?",
        _MAKE,
        "a photo and noise",
    ),
    Section(
        "11_feature_inversion",
        "Feature inversion",
        "what does a layer remember of an image?",
        _MAKE,
        "a cat four times, less and less clear",
    ),
    Section(
        "12_deepdream", "DeepDream", "what does it see in the clouds?", _MAKE, "a pavilion covered in dream patterns"
    ),
    Section(
        "13_texture_synthesis", "Texture synthesis", "what is a texture to it?", _MAKE, "a texture and a larger one"
    ),
    Section(
        "14_style_transfer",
        "Neural style transfer",
        "can content and style be taken apart?",
        _MAKE,
        "a cat painted in blue and yellow strokes",
    ),
    Section(
        "15_fast_style_transfer",
        "Fast style transfer",
        "can a network learn to do it in one pass?",
        _MAKE,
        "a pavilion, one half photo, the other painted in petals",
    ),
]


def html_map() -> str:
    """The lecture as an HTML table: under each half, cards with a thumbnail, a title with a link, and a question."""
    rows = []
    for half, sections in groupby(SECTIONS, key=lambda section: section.half):
        if half:
            style = "text-align:left;padding-top:1em;font-size:110%"
            rows.append(f'<tr><th colspan="{COLUMNS}" style="{style}">{half}</th></tr>')
        cards = [_card(section) for section in sections]
        lines = [cards[start : start + COLUMNS] for start in range(0, len(cards), COLUMNS)]
        rows += [f"<tr>{''.join(line)}</tr>" for line in lines]
    return f"<table>{''.join(rows)}</table>"


def _card(section: Section) -> str:
    thumbnail = base64.b64encode(assets.data_path(f"thumbnails/{section.slug}.png").read_bytes()).decode()
    source, alt = f"data:image/png;base64,{thumbnail}", html.escape(section.thumbnail)
    picture = f'<img src="{source}" width="{CARD}" height="{CARD}" alt="{alt}">'
    title = f'<b>{section.number}</b> · <a href="{section.slug}.ipynb">{section.title}</a>'
    style = "text-align:left;vertical-align:top;width:24%;font-size:105%"
    return f'<td style="{style}">{picture}<br>{title}<br>{section.question}</td>'


def html_claims() -> str:
    """What the notebooks claim, and on which networks it held when it was last measured, as an HTML table.

    `scripts/run_networks.py` measures it. Of a network without training nothing is expected; it shows what chance does.
    """
    rows = json.loads(assets.data_path("claims.json").read_text(encoding="utf-8"))
    networks = list(dict.fromkeys(network for row in rows for network in row["holds"]))
    head = "".join(f"<th>{html.escape(network)}</th>" for network in ["", *networks])
    cells = [f"<tr>{head}</tr>"]
    asked = {network: [row["holds"][network] for row in rows if network in row["holds"]] for network in networks}
    shares = "".join(f"<td><b>{sum(held)} of {len(held)}</b></td>" for held in asked.values())
    cells.append(f'<tr><td style="text-align:left"><b>all claims</b></td>{shares}</tr>')
    notebook = ""
    for row in rows:
        if row["notebook"] != notebook:
            notebook = row["notebook"]
            title = next((section.title for section in SECTIONS if section.slug == notebook), notebook)
            cells.append(f'<tr><th colspan="{1 + len(networks)}" style="text-align:left">{title}</th></tr>')
        marks = "".join(f"<td>{_mark(row['holds'].get(network))}</td>" for network in networks)
        cells.append(f'<tr><td style="text-align:left">{html.escape(row["claim"])}</td>{marks}</tr>')
    summary = f"<summary>{len(rows)} claims on {len(networks)} networks</summary>"
    return f"<details>{summary}<table>{''.join(cells)}</table></details>"


def _mark(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "<b>no</b>"
