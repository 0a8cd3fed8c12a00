"""The panels of maximally activating patches: a channel's best patches, what one cell sees, and the patches' purity.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import activations
from vizlib.analysis.patches import TopPatches
from vizlib.analysis.receptive_field import receptive_field
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.widgets.panels.controls import BESIDE, channel_pickers
from vizlib.widgets.panels.scans import scans


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
    gallery, most = galleries.patches() if gallery is None else gallery, known.k if known else 12
    scanned = scans(gallery, most, known=known, net=net)

    def picture(top: TopPatches, net: Network, layer: str, channel: int, k: int) -> Figure:
        ranks = range(min(k, top.done))
        crops = [top.patch(gallery, layer, channel, rank) for rank in ranks]
        wholes = [(top.image(gallery, layer, channel, rank), top.box(layer, channel, rank)) for rank in ranks]
        peak = top.values[layer][channel, 0]
        fires = f"up to {peak:.2f}" if peak > 0 else "it never fires"
        rows = {"patches": crops, "where they\nlie": [plot.spotlight(*whole) for whole in wholes]}
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
        k=widgets.integer("k", k, 1, most),
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
        pair = [plot.spotlight(square.detach(), box), gradient[0].abs().sum(0)]
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
    gallery, most = galleries.patches() if gallery is None else gallery, known.k if known else 12
    scanned = scans(gallery, most, known=known, net=net)
    numbers = torch.tensor(gallery.numbers)
    label_of = torch.zeros(numbers.max() + 1, dtype=torch.int64).index_put((numbers,), gallery.labels)
    draws = numbers[torch.rand(1000, len(gallery), generator=torch.Generator().manual_seed(0)).argsort(1)]

    def purity(chosen: Tensor) -> float:
        photos = F.one_hot(label_of[chosen], len(gallery.names)).sum(1)
        return (photos.amax(1) / chosen.shape[1]).mean().item()

    def draw(net: Network, k: int) -> Iterator[Figure | widgets.Progress]:
        for top in scanned(net):
            yield widgets.Progress(top.done, top.total)
        pure = {layer: purity(chosen[:, :k]) for layer, chosen in top.images.items()}
        pure["by chance"] = purity(draws[:, :k])
        title = f"{net.name}: purity of the {k} best patches"
        yield plot.bars(list(pure), list(pure.values()), "purity", title, BESIDE)

    return widgets.explore(
        draw,
        alt="Bars with the purity of every layer, and by chance",
        title="purity of patches",
        layout="beside",
        net=widgets.NetworkPicker([net]),
        k=widgets.integer("k", k, 2, most),
    )
