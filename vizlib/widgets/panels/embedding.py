"""The panels of dimensionality reduction: axes of PCA, t-SNE's perplexity and its random starts, a gallery as a map.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Generator, Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.analysis import embedding, features
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network, stages
from vizlib.plot.maps import free_map
from vizlib.widgets.panels.controls import choice, ladder

SPACES = ("pixels", "features")
Drawing = Iterator[Figure | widgets.Progress]
Rows = Generator[widgets.Progress, None, Tensor]


def rows_of(digits: Gallery, space: str, net: Network, layer: str | None = None) -> Rows:
    """Says how far it is, and then returns the rows: `yield from` passes both on."""
    if space == "pixels":
        return digits.batch(range(len(digits)), 8)[:, 0].flatten(1)
    for step in features.extracting(net, digits, layer):
        yield widgets.Progress(step.done, step.total)
    return step.values


def pca_axes(
    net: Network, digits: Gallery | None = None, space: str = "pixels", across: int = 1, down: int = 3
) -> widgets.Explorer:
    """The digits on two of their first ten principal components.

    Args:
        net: The network at first; the panel offers others.
        digits: A gallery of small grey images; by default, scikit-learn's digits.
        space: What the components are taken of: 'pixels' or 'features'.
        across, down: The numbers of the two components, from 1.
    """
    digits = galleries.digits() if digits is None else digits

    def draw(space: str, net: Network, across: int, down: int) -> Drawing:
        values = yield from rows_of(digits, space, net)
        projection = embedding.pca(values, k=10)
        chosen = projection.points[:, [across - 1, down - 1]]
        shares = projection.explained[[across - 1, down - 1]]
        title = f"{space}: axes {across} and {down} explain {shares[0]:.0%} and {shares[1]:.0%}"
        yield plot.scatter({title: chosen}, digits.labels, digits.names)

    return widgets.explore(
        draw,
        alt="Digits as dots on two of their principal components",
        title="axes of PCA",
        layout="beside",
        shown=("space", "across", "down"),
        space=choice("space", SPACES, space),
        net=widgets.NetworkPicker([net]),
        across=widgets.integer("across", across, 1, 10),
        down=widgets.integer("down", down, 1, 10),
    )


def tsne_perplexity(
    net: Network, digits: Gallery | None = None, space: str = "pixels", layer: str | None = None, perplexity: int = 5
) -> widgets.Explorer:
    """The digits in the plane of t-SNE, with as many neighbours as are asked for; PCA is shown while it is computed.

    Args:
        net: The network at first; the panel offers others.
        digits: A gallery of small grey images; by default, scikit-learn's digits.
        space: 'pixels' or 'features'.
        layer: Whose features, at first; None means the last before the classifier.
        perplexity: About how many neighbours each digit tries to keep.
    """
    digits = galleries.digits() if digits is None else digits
    networks = widgets.NetworkPicker([net])

    def draw(space: str, net: Network, layer: str, perplexity: int) -> Drawing:
        values = yield from rows_of(digits, space, net, layer)
        if not embedding.is_cached(values, perplexity):
            waiting = {f"computing perplexity {perplexity}; PCA meanwhile": embedding.pca(values).points}
            yield widgets.Progress(0, 1, plot.scatter(waiting, digits.labels, digits.names))
        plane = embedding.tsne(values, perplexity)
        right = embedding.neighbour_accuracy(plane, digits.labels)
        name = "pixels" if space == "pixels" else f"{net.name}, {layer}"
        title = f"{name}, perplexity {perplexity}: {right:.1%} right by their neighbours"
        yield plot.scatter({title: plane}, digits.labels, digits.names)

    return widgets.explore(
        draw,
        alt="Digits as dots in the plane of t-SNE",
        title="t-SNE",
        layout="beside",
        shown=("space", "layer", "perplexity"),
        space=choice("space", SPACES, space),
        net=networks,
        layer=widgets.LayerPicker(networks, first=layer or stages.last_layer(net)),
        perplexity=ladder("perplexity", [2, 5, 10, 30, 60, 100], perplexity),
    )


def tsne_starts(net: Network, digits: Gallery | None = None, space: str = "pixels", seed: int = 1) -> widgets.Explorer:
    """The digits in the plane of t-SNE from two random starts, one turned onto the other, and what they share.

    Args:
        net: The network at first; the panel offers others.
        digits: A gallery of small grey images; by default, scikit-learn's digits.
        space: 'pixels' or 'features'.
        seed: The random start that is shown at first; it is compared with start 0.
    """
    digits = galleries.digits() if digits is None else digits

    def nearest_ten(plane: Tensor) -> Tensor:
        return torch.cdist(plane, plane).fill_diagonal_(torch.inf).topk(10, largest=False).indices

    def draw(space: str, net: Network, seed: int) -> Drawing:
        values = yield from rows_of(digits, space, net)
        if not embedding.is_cached(values, seed=seed, start="random"):
            yield widgets.Progress(0, 1)
        first, plane = (embedding.tsne(values, seed=s, start="random") for s in (0, seed))
        kept = (nearest_ten(first)[:, :, None] == nearest_ten(plane)[:, None]).any(2).float().mean()
        planes = {"random start 0": first, f"random start {seed}, turned onto it": embedding.aligned(plane, first)}
        title = f"{space}: {kept:.0%} of the ten nearest neighbours are the same"
        yield plot.scatter(planes, digits.labels, digits.names, title)

    return widgets.explore(
        draw,
        alt="Ten clusters of digits, in another arrangement for each start",
        title="random starts of t-SNE",
        layout="above",
        space=choice("space", SPACES, space),
        net=widgets.NetworkPicker([net]),
        seed=ladder("seed", [0, 1, 2, 3, 4], seed),
    )


def embedding_map(
    net: Network,
    gallery: Gallery | None = None,
    arrangement: str = "free",
    zoom: float = 2.5,
    x: float = 0.3,
    y: float = 0.3,
) -> widgets.Explorer:
    """A gallery's images at their places in the plane of t-SNE, to zoom into and move about; a button saves the map.

    Args:
        net: The network at first; the panel offers others.
        gallery: The images; by default, the patches of the bundled photos.
        arrangement: 'free' (at their places, where they cover each other) or 'grid' (each in a cell of its own).
        zoom, x, y: How much the map is enlarged, and about which place of it, as fractions of its width and height.
    """
    gallery = galleries.patches() if gallery is None else gallery
    thumbnails = np.stack([gallery.thumbnail(i, 80) for i in range(len(gallery))])
    maps: dict[tuple[str, str], np.ndarray] = {}  # by network and arrangement
    networks = widgets.NetworkPicker([net])
    arrangements = choice("layout", ["free", "grid"], arrangement)

    def draw(net: Network, arrangement: str, zoom: float, x: float, y: float) -> Drawing:
        if (net.name, "grid") not in maps:
            for step in features.extracting(net, gallery):
                yield widgets.Progress(step.done, step.total)
            plane = embedding.tsne(step.values)
            maps[net.name, "free"] = free_map(thumbnails, plane, 2400)
            cells = embedding.snap_to_grid(plane * torch.tensor([1, -1]))  # y points up in the plane, down in the grid
            maps[net.name, "grid"] = plot.grid_map(thumbnails, cells)
        yield plot.zoomed(maps[net.name, arrangement], zoom, x, y)

    def whole() -> np.ndarray:
        if (networks.value.name, arrangements.value) not in maps:
            raise images.ImageError("the map is not drawn yet; press the button again when it is")
        return maps[networks.value.name, arrangements.value]

    explorer = widgets.explore(
        draw,
        alt="A part of the map of patches",
        title="map of a gallery",
        layout="beside",
        shown=("arrangement", "zoom", "x", "y"),
        net=networks,
        arrangement=arrangements,
        zoom=widgets.fraction("zoom", zoom, 1.0, 8.0),
        x=widgets.fraction("x", x),
        y=widgets.fraction("y", y),
    )
    widgets.save_button(whole, "map_of_patches.png")
    return explorer
