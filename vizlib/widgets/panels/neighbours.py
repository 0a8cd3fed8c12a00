"""The panels of nearest neighbours: of an image of a gallery or of your own, and of an image that was moved.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Callable, Generator, Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import plot, widgets
from vizlib.analysis import features, neighbours
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network, stages
from vizlib.widgets.panels.controls import choice

Drawing = Iterator[Figure | widgets.Progress]
Rows = Callable[[Network, str, int | None], Generator[widgets.Progress, None, Tensor]]


def remembered(gallery: Gallery) -> Rows:
    """A function for the rows of a gallery in a layer; it says how far it is, and computes nothing twice."""
    kept: dict[tuple[str, str, int | None], Tensor] = {}

    def rows(net: Network, layer: str, side: int | None) -> Generator[widgets.Progress, None, Tensor]:
        key = net.name, layer, side
        if key not in kept:
            for step in features.extracting(net, gallery, layer, side=side):
                yield widgets.Progress(step.done, step.total)
            kept[key] = step.values
        return kept[key]

    return rows


def nearest_neighbours(
    net: Network,
    gallery: Gallery | None = None,
    leave_out: Tensor | None = None,
    layer: str | None = None,
    query: int = 308,
    photo: str = "coffee",
    k: int = 5,
) -> widgets.Explorer:
    """A query, and what is nearest to it in a gallery by pixels and by the features of a layer.

    Args:
        net: The network at first; the panel offers others.
        gallery: Where the neighbours are; by default, the patches of the bundled photos.
        leave_out: Booleans `(N, N)`, true where an image must not be found for a query, as in `neighbours.nearest`; by
            default, the patches that show the same part of a photo, or only the query itself in another gallery.
        layer: Whose features, at first; None means the last before the classifier.
        query: The number of the image that is asked about at first.
        photo: The name of the photo that *your image* asks about at first.
        k: How many neighbours.
    """
    if gallery is None:
        gallery = galleries.patches()
        leave_out = galleries.overlapping(gallery) if leave_out is None else leave_out
    rows, networks = remembered(gallery), widgets.NetworkPicker([net])

    def draw(net: Network, layer: str, source: str, query: int, image: Tensor, k: int) -> Drawing:
        asked, truth = gallery.subset([query]), gallery.label(query)
        left_out = itself(gallery, query) if leave_out is None else leave_out[query, None]
        if source == "your image":
            asked, truth, left_out = galleries.stack(image, [0], [source]), None, None
        first, table = plot.Picture(asked.image(0), asked.names[asked.label(0)]), {}
        for space, side in (("pixels", 64), (layer, None)):
            values = yield from rows(net, space, side)
            vector = features.features(net, asked, space, side=side, cached=False).values
            found = neighbours.nearest(values, vector, k, left_out).indices[0]
            table[f"by {space}"] = [first, *(plot.match(gallery, i, truth) for i in found)]
        yield plot.table(table)

    return widgets.explore(
        draw,
        alt="A query, and its nearest neighbours by pixels and by features",
        title="nearest neighbours",
        shown=("layer", "source", "query", "image", "k"),
        net=networks,
        layer=widgets.LayerPicker(networks, first=layer or stages.last_layer(net)),
        source=choice("query from", ["gallery", "your image"], "gallery"),
        query=widgets.integer("query", query, 0, len(gallery) - 1),
        image=widgets.ImagePicker(photo),
        k=widgets.integer("k", k, 1, 8),
    )


def moved_neighbours(
    net: Network,
    gallery: Gallery | None = None,
    query: int = 262,
    shift: int = 12,
    side: int = 64,
    finds_itself: bool = True,
) -> widgets.Explorer:
    """An image of a gallery, moved to the right, and what is nearest to it by pixels and by features.

    Args:
        net: The network at first; the panel offers others.
        gallery: The images, which are not moved there; by default, the patches of the bundled photos.
        query: The number of the image that is asked about at first.
        shift: How far it is moved, in pixels.
        side: The side of the images, in pixels.
        finds_itself: Whether the image, unmoved, may be among the neighbours.
    """
    gallery = galleries.patches() if gallery is None else gallery
    rows = remembered(gallery)
    coarse: list[Rows] = []

    def like_what_is_moved(net: Network) -> Rows:
        """The rows of the gallery as images of `side` pixels, where the network would otherwise see finer ones."""
        if features.side_for(net) <= side:
            return rows
        if not coarse:
            small = gallery.batch(range(len(gallery)), side)
            coarse.append(remembered(galleries.stack(small, gallery.classes, gallery.names)))
        return coarse[0]

    def draw(net: Network, query: int, shift: int) -> Drawing:
        moved, truth = neighbours.shift(gallery.batch([query], side), shift), gallery.label(query)
        asked = galleries.stack(moved, [0], [f"{gallery.names[truth]}, moved by {shift}"])
        left_out = None if finds_itself else itself(gallery, query)
        first, table = plot.Picture(moved, asked.names[0]), {}
        for space, layer, size in (("pixels", "pixels", side), ("features", stages.last_layer(net), None)):
            values = yield from (rows if layer == "pixels" else like_what_is_moved(net))(net, layer, size)
            vector = features.features(net, asked, layer, side=size, cached=False).values
            found = neighbours.nearest(values, vector, 5, left_out).indices[0]
            table[f"by {space}"] = [first, *(plot.match(gallery, i, truth) for i in found)]
        yield plot.table(table)

    return widgets.explore(
        draw,
        alt="An image that was moved, and its nearest neighbours by pixels and by features",
        title="neighbours of what was moved",
        net=widgets.NetworkPicker([net]),
        query=widgets.integer("query", query, 0, len(gallery) - 1),
        shift=widgets.integer("shift", shift, 0, side // 2),
    )


def itself(gallery: Gallery, query: int) -> Tensor:
    """What `neighbours.nearest` leaves out so that an image does not find itself, `(1, N)`."""
    return torch.arange(len(gallery))[None] == query
