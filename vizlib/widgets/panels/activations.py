"""The panels of activations: one channel in many, one map, all zeros, maps on one scale, and the channel of a region.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Iterable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import activations
from vizlib.models import Network
from vizlib.plot.boards import Tile, board
from vizlib.widgets.panels.controls import BESIDE, channel_pickers, choice

SAME = 0.02  # two squares that differ by less on average are one photo, read at two sizes


def prepared(image: Tensor, net: Network) -> Tensor:
    """The square in the middle of an image, at least as large as the network was trained on."""
    return images.prepare(image, max(128, net.input_size))


def activation_channel(
    net: Network,
    photo: str = "chelsea",
    layer: str | None = None,
    channel: int = 0,
    zoom: float = 0.75,
    shift: float = 0.0,
) -> widgets.Explorer:
    """One channel on a photo that can be moved and zoomed, and on the other bundled photos, all on one scale.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first; the panel also takes an own one.
        layer, channel: What is drawn at first; None means the high stage of `net`.
        zoom: How large the photo is: at 1 it fills the square, below 1 its edges are mirrored.
        shift: How far it has moved to the right, as a fraction of the square.
    """
    others: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def draw(image: Tensor, net: Network, layer: str, channel: int, zoom: float, shift: float) -> Figure:
        if (id(net), layer) not in others:
            squares = [prepared(images.load(name), net) for name in images.photos() if name != photo]
            maps = [hooks.read(net, square, [layer])[layer] for square in squares]
            others[id(net), layer] = torch.cat(squares), torch.cat(maps)
        squares, maps = others[id(net), layer]
        square = moved(prepared(image, net), zoom, shift)
        heat = hooks.read(net, square, [layer])[layer][0, channel]
        title = f"{net.name}, {layer}, channel {channel}: zoom {zoom:.2f}, moved by {shift:+.0%}"
        return plot.one_channel(square, heat, squares[:, None], maps[:, channel], title)

    return widgets.explore(
        draw,
        alt="A photo, the map of one channel cell by cell, and nine other photos on the same scale",
        title="one channel in many",
        shown=("image", "channel", "zoom", "shift"),
        image=widgets.ImagePicker(photo),
        **channel_pickers(net, layer or net.stages.high, channel),
        zoom=widgets.fraction("zoom", zoom, 0.4, 2.0),
        shift=widgets.fraction("shift", shift, -0.3, 0.3),
    )


def moved(square: Tensor, zoom: float, shift: float) -> Tensor:
    """A square `(1, 3, S, S)` enlarged about its middle and moved to the right; what comes in is its mirror image."""
    matrix = torch.tensor([[[1 / zoom, 0, -2 * shift / zoom], [0, 1 / zoom, 0]]])
    places = torch.nn.functional.affine_grid(matrix, square.shape, align_corners=False)
    return torch.nn.functional.grid_sample(square, places, padding_mode="reflection", align_corners=False).clamp(0, 1)


def activation_map(
    net: Network, photo: str = "chelsea", layer: str | None = None, channel: int = 0
) -> widgets.Explorer:
    """A photo, and one channel's activation map of any layer laid over it.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer, channel: What is drawn at first; None means the middle stage of `net`.
    """

    def draw(image: Tensor, net: Network, layer: str, channel: int) -> Figure:
        square = prepared(image, net)
        heat = hooks.read(net, square, [layer])[layer][0, channel]
        return plot.heat_map(
            square, heat, f"{layer}, channel {channel}: {tuple(heat.shape)}", label="activation", cells=True
        )

    return widgets.explore(
        draw,
        alt="A photo, and the activation map of one channel laid over it",
        title="activation map",
        shown=("image", "layer", "channel"),
        image=widgets.ImagePicker(photo),
        **channel_pickers(net, layer or net.stages.middle, channel),
    )


def activation_zeros(net: Network, photo: str = "flower") -> widgets.Explorer:
    """The share of exact zeros in every layer's output.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
    """

    def draw(net: Network, image: Tensor) -> Figure:
        outputs = hooks.read(net, prepared(image, net), activations.map_shapes(net))
        shares = [activations.zero_share(output) for output in outputs.values()]
        return plot.bars(list(outputs), shares, "share of exact zeros", net.name, BESIDE)

    return widgets.explore(
        draw,
        alt="Bars with the share of exact zeros of every layer",
        title="zeros of every layer",
        layout="beside",
        net=widgets.NetworkPicker([net]),
        image=widgets.ImagePicker(photo),
    )


def activation_grid(
    net: Network, photo: str = "coffee", layer: str | None = None, scale: str = "each", order: str = "by number"
) -> widgets.Explorer:
    """The maps of 24 channels of a layer, each on a scale of its own or all on one scale.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None means the middle stage of `net`.
        scale: 'each' or 'together'.
        order: 'by number' or 'by effect': which channels come first, those that silencing takes most from the answer.
    """
    networks = widgets.NetworkPicker([net])

    def draw(image: Tensor, net: Network, layer: str, scale: str, order: str) -> Figure:
        square = prepared(image, net)
        maps, title = hooks.read(net, square, [layer])[layer], f"{net.name}, {layer}: the first channels"
        if order == "by effect":
            best = activations.channel_effects(net, square, layer).argsort(descending=True)
            maps, numbers = maps[:, best], ", ".join(map(str, best[:6].tolist()))
            title = f"{layer}: what counts most for '{net.predict(square, 1)[0][0].name}': {numbers}, …"
        return plot.channel_grid(maps, scale, limit=24, columns=6, title=title, photo=square)

    return widgets.explore(
        draw,
        alt="A photo and 24 activation maps of one layer",
        title="activation maps",
        shown=("image", "scale", "order"),
        image=widgets.ImagePicker(photo),
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.middle),
        scale=choice("scale", ["each", "together"], scale),
        order=choice("order", ["by number", "by effect"], order),
    )


def activation_region(
    net: Network,
    photo: str = "coffee",
    layer: str | None = None,
    rows: tuple[float, float] = (0.22, 0.5),
    columns: tuple[float, float] = (0.3, 0.66),
    rank: int = 1,
) -> widgets.Explorer:
    """The channel that stands out in a region of a photo: its peak there is highest above its peaks on other photos.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None means the high stage of `net`.
        rows, columns: The region, from top to bottom and from left to right, as fractions of the image.
        rank: Which channel is drawn: 1 stands out most, 2 is the next.
    """
    networks = widgets.NetworkPicker([net])
    others: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def draw(
        image: Tensor, net: Network, layer: str, rows: tuple[float, float], columns: tuple[float, float], rank: int
    ) -> Figure:
        square, region = prepared(image, net), (*rows, *columns)
        maps = hooks.read(net, square, [layer])[layer]
        if (id(net), layer) not in others:
            squares = [prepared(images.load(name), net) for name in images.photos()]
            others[id(net), layer] = torch.cat(squares), peaks_on(net, layer, squares)
        squares, peaks = others[id(net), layer]
        different = (squares - square).abs().mean((1, 2, 3)) > SAME
        answer = activations.leading_in_region(maps, region, peaks[different], k=rank)[-1]
        title = f"channel {answer.channel}: {answer.inside:.1f} here, at most {answer.elsewhere:.1f} on other photos"
        frame = images.Box(*(square.shape[2] * edge for edge in region))
        return plot.heat_map(square, maps[0, answer.channel], title, "activation", cells=True, box=frame)

    return widgets.explore(
        draw,
        alt="A photo with a frame, and the map of the channel that stands out most inside it",
        title="channel of a region",
        shown=("image", "layer", "rows", "columns", "rank"),
        image=widgets.ImagePicker(photo),
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.high),
        rows=widgets.span("rows", rows),
        columns=widgets.span("columns", columns),
        rank=widgets.integer("rank", rank, 1, 10),
    )


def peaks_on(net: Network, layer: str, squares: Iterable[Tensor]) -> Tensor:
    """The largest activation of every channel of a layer on each image, `(N, C, 1, 1)`."""
    return torch.cat([hooks.read(net, square, [layer])[layer].amax((2, 3), keepdim=True) for square in squares])


def activation_camera(net: Network, layer: str | None = None, channel: int = 0, side: int = 160) -> widgets.Explorer:
    """What a camera sees, one channel's map of it, and the channels that it excites most beyond the bundled photos.

    Args:
        net: The network at first; the panel offers others.
        layer, channel: What is drawn at first; None means the high stage of `net`.
        side: Pixels of a side of what the network is given.
    """
    peaks: dict[tuple[int, str], Tensor] = {}

    def draw(image: Tensor, net: Network, layer: str, channel: int) -> Tensor:
        if (id(net), layer) not in peaks:
            photos = [images.prepare(images.load(name), side) for name in images.photos()]
            peaks[id(net), layer] = peaks_on(net, layer, photos)
        usual = peaks[id(net), layer]
        maps = hooks.read(net, image, [layer])[layer]
        tops = usual.amax((0, 2, 3)).tolist()
        title = f"{layer}, channel {channel}: {maps[0, channel].max():.1f}"
        large = [Tile("", image), Tile(title, maps[0, channel], tops[channel])]
        leading = activations.leading_in_region(maps, (0, 1, 0, 1), usual, k=6)
        small = [Tile(f"{i}: {peak:.1f}", maps[0, i], tops[i]) for i, peak, _ in leading]
        return board(large, small)

    return widgets.explore(
        draw,
        alt="What the camera sees, the map of one channel, and the maps of the six channels that lead",
        title="activations of the camera",
        shown=("image", "layer", "channel"),
        image=widgets.CameraPicker(side=side),
        **channel_pickers(net, layer or net.stages.high, channel),
    )
