"""The panels of maximally activating patches: a channel's best patches, what one cell sees, and the patches' purity.

Patches of one channel never overlap (`analysis.distinct`), so many more are scanned than are shown.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import activations, distinct
from vizlib.analysis.patches import TopPatches
from vizlib.analysis.receptive_field import receptive_field
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.plot.cells import spotlight
from vizlib.widgets.panels.controls import BESIDE, channel_pickers
from vizlib.widgets.panels.scans import scans

SCANNED = 60  # patches of each channel, of which those that do not overlap are shown
MOST = 12


def patches_of_channel(
    net: Network,
    gallery: Gallery | None = None,
    layer: str | None = None,
    channel: int = 20,
    k: int = 9,
    known: TopPatches | None = None,
) -> widgets.Explorer:
    """The patches that excite a channel most, each above the image that it was cut from.

    A network whose patches are not known is scanned first; the patches get better meanwhile.

    Args:
        net: The network at first; the panel offers others.
        gallery: Where the patches are taken from; by default, from the bundled photos.
        layer, channel: What is drawn at first; None means the high stage of `net`.
        k: How many patches, at most 12 or as many as are known.
        known: A scan of `net` over this gallery, if there is one.
    """
    gallery = galleries.patches() if gallery is None else gallery
    scanned = scans(gallery, known.k if known else SCANNED, known.side if known else 128, known, net)

    def picture(top: TopPatches, net: Network, layer: str, channel: int, k: int) -> Figure:
        ranks = _apart(top, gallery, layer, channel, k)
        crops = [top.patch(gallery, layer, channel, rank) for rank in ranks]
        wholes = [(top.image(gallery, layer, channel, rank), top.box(layer, channel, rank)) for rank in ranks]
        peak = top.values[layer][channel, 0]
        fires = f"up to {peak:.2f}" if peak > 0 else "it never fires"
        rows = {"patches": crops, "where they\nlie": [spotlight(*whole) for whole in wholes]}
        return plot.table(rows, title=f"{net.name}, {layer}, channel {channel}: {fires}")

    def draw(net: Network, layer: str, channel: int, k: int) -> Iterator[Figure | widgets.Progress]:
        for top in scanned(net):
            halfway = picture(top, net, layer, channel, k) if top.done % 80 == 0 else None
            yield widgets.Progress(top.done, top.total, halfway)
        yield picture(top, net, layer, channel, k)

    return widgets.explore(
        draw,
        alt="The top patches of one channel, and the images that they come from with the patch lit",
        title="patches of a channel",
        **channel_pickers(net, layer or net.stages.high, channel),
        k=widgets.integer("k", k, 1, min(MOST, known.k if known else MOST)),
    )


def _apart(top: TopPatches, gallery: Gallery, layer: str, channel: int, k: int) -> list[int]:
    """The ranks of a channel's k best patches that do not overlap."""
    ranks = distinct.distinct_ranks(top.images[layer][channel, None], gallery, k)[0]
    return ranks[ranks >= 0].tolist()


def patches_linked(
    net: Network,
    gallery: Gallery | None = None,
    photo: str = "chelsea",
    layer: str | None = None,
    point: tuple[float, float] = (0.42, 0.68),
    known: TopPatches | None = None,
) -> widgets.Explorer:
    """Click a pixel of a photo: the channels that fire there, their maps of the photo, and their best patches.

    Channels are ordered by their activation at that place as a share of the best in the gallery; otherwise the few
    that are loud everywhere would always come first. A map of 1 is as strong as the best patch.

    Args:
        net: The network at first; the panel offers others, which are scanned first.
        gallery: Where the patches are taken from; by default, from the bundled photos.
        photo: The name of the photo at first.
        layer: The layer at first; None means the high stage of `net`.
        point: Where it points at first: row and column, as shares of the square's height and width.
        known: A scan of `net` over this gallery, if there is one.
    """
    gallery, networks = galleries.patches() if gallery is None else gallery, widgets.NetworkPicker([net])
    pictures = widgets.ImagePicker(photo)
    scanned = scans(gallery, known.k if known else SCANNED, known.side if known else 128, known, net)

    def picture(top: TopPatches, image: Tensor, net: Network, layer: str, point: tuple[float, float]) -> Figure:
        square = images.prepare(image, top.side)
        maps = hooks.read(net, square, [layer])[layer][0]
        row, column = (int(share * size) for share, size in zip(point, maps.shape[1:], strict=True))
        best = top.values[layer][:, 0]
        firing = (maps[:, row, column] / best).where(best > 0, torch.tensor(0.0))
        seen = spotlight(square, receptive_field(net, layer, (row, column), top.side))
        cell = images.Box(row - 1, row + 2, column - 1, column + 2)  # around it, so that it can be seen
        rows = {}
        for channel in firing.topk(4).indices.tolist():
            name = f"channel {channel}\n{firing[channel]:.0%} of best"
            here = [None if rows else seen, plot.Picture(maps[channel] / best[channel], boxes={"cyan": cell})]
            ranks = _apart(top, gallery, layer, channel, 5)
            rows[name] = here + [top.patch(gallery, layer, channel, rank) for rank in ranks]
        heads = ["what it sees", "its map", "best patch", "2", "3", "4", "5"]
        return plot.table(rows, heads, f"{net.name}, {layer}, cell ({row}, {column})")

    def draw(**chosen: object) -> Iterator[Figure | widgets.Progress]:
        for top in scanned(chosen["net"]):
            yield widgets.Progress(top.done, top.total)
        yield picture(top, **chosen)

    return widgets.explore(
        draw,
        alt="The channels that fire at one place of a photo, their maps, and their best patches",
        title="what fires here",
        layout="beside",
        shown=("point", "image", "layer"),
        point=widgets.PointPicker(pictures, point),
        image=pictures,
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.high),
    )


def patches_receptive_field(
    net: Network, photo: str = "chelsea", layer: str | None = None, down: int = 50, across: int = 50
) -> widgets.Explorer:
    """What one cell of a layer can see, and the gradient of that cell, summed over its channels.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None means the middle stage of `net`.
        down, across: Where the cell lies, in percent of the map's height and width.
    """
    networks = widgets.NetworkPicker([net])

    def draw(image: Tensor, net: Network, layer: str, down: int, across: int) -> Figure:
        square = images.prepare(image, max(128, net.input_size)).requires_grad_()
        maps = hooks.read(net, square, [layer], grad=True)[layer]
        height, width = maps.shape[2:]
        row, column = down * (height - 1) // 100, across * (width - 1) // 100
        (gradient,) = torch.autograd.grad(maps[0, :, row, column].sum(), square)
        box = receptive_field(net, layer, (row, column), square.shape[2])
        titles = [f"cell ({row}, {column}) sees {box.height}x{box.width}", "how much each pixel matters"]
        pair = [spotlight(square.detach(), box), gradient[0].abs().sum(0)]
        return plot.pictures(pair, titles, title=f"{net.name}, {layer}", label="|gradient|")

    return widgets.explore(
        draw,
        alt="A photo with the receptive field of one cell lit, and the gradient of that cell",
        title="receptive field",
        shown=("image", "layer", "down", "across"),
        image=widgets.ImagePicker(photo),
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.middle),
        down=widgets.integer("down", down, 0, 100),
        across=widgets.integer("across", across, 0, 100),
    )


def patches_purity(
    net: Network, gallery: Gallery | None = None, k: int = 9, known: TopPatches | None = None
) -> widgets.Explorer:
    """For every layer, the share of a channel's best patches that comes from the most frequent photo, and by chance.

    Args:
        net: The network at first; the panel offers others, which are scanned first.
        gallery: Where the patches are taken from; by default, from the bundled photos.
        k: How many patches of each channel, at most 12 or as many as are known.
        known: A scan of `net` over this gallery, if there is one.
    """
    gallery = galleries.patches() if gallery is None else gallery
    scanned = scans(gallery, known.k if known else SCANNED, known.side if known else 128, known, net)
    numbers = torch.tensor(gallery.numbers)
    label_of = torch.zeros(numbers.max() + 1, dtype=torch.int64).index_put((numbers,), gallery.labels)
    draws = numbers[torch.rand(1000, len(gallery), generator=torch.Generator().manual_seed(0)).argsort(1)[:, :SCANNED]]

    def purity(ranked: Tensor, k: int) -> float:
        ranks = distinct.distinct_ranks(ranked, gallery, k)
        labels = F.one_hot(label_of[ranked.gather(1, ranks.clamp(min=0))], len(gallery.names))
        photos, found = (labels * (ranks >= 0)[..., None]).sum(1), (ranks >= 0).sum(1)
        return (photos.amax(1) / found.clamp(min=1)).mean().item()

    def draw(net: Network, k: int) -> Iterator[Figure | widgets.Progress]:
        for top in scanned(net):
            yield widgets.Progress(top.done, top.total)
        pure = {layer: purity(ranked, k) for layer, ranked in top.images.items()}
        pure["by chance"] = purity(draws, k)
        title = f"{net.name}: purity of the {k} best patches that do not overlap"
        yield plot.bars(list(pure), list(pure.values()), "purity", title, BESIDE)

    return widgets.explore(
        draw,
        alt="Bars with the purity of every layer, and by chance",
        title="purity of patches",
        layout="beside",
        net=widgets.NetworkPicker([net]),
        k=widgets.integer("k", k, 2, min(MOST, known.k if known else MOST)),
    )
