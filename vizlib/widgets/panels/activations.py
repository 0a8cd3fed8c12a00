"""The panels of activations: one map, the zeros of every layer, many maps on one scale, and the channel of a region.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import activations
from vizlib.models import Network
from vizlib.widgets.panels.controls import BESIDE, channel_pickers, choice


def prepared(image: Tensor, net: Network) -> Tensor:
    """The square in the middle of an image, at least as large as the network was trained on."""
    return images.prepare(image, max(128, net.input_size))


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
        return plot.heat_map(square, heat, f"{layer}, channel {channel}: {tuple(heat.shape)}", label="activation")

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
    net: Network, photo: str = "coffee", layer: str | None = None, scale: str = "each"
) -> widgets.Explorer:
    """The maps of 48 channels of a layer, each on a scale of its own or all on one scale.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None means the middle stage of `net`.
        scale: 'each' or 'together'.
    """
    networks = widgets.NetworkPicker([net])

    def draw(image: Tensor, net: Network, layer: str, scale: str) -> Figure:
        maps = hooks.read(net, prepared(image, net), [layer])[layer]
        return plot.channel_grid(maps, scale, limit=48, columns=8, title=f"{net.name}, {layer}, scale: {scale}")

    return widgets.explore(
        draw,
        alt="48 activation maps of one layer",
        title="activation maps",
        layout="beside",
        shown=("image", "layer", "scale"),
        image=widgets.ImagePicker(photo),
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.middle),
        scale=choice("scale", ["each", "together"], scale),
    )


def activation_region(
    net: Network,
    photo: str = "coffee",
    layer: str | None = None,
    rows: tuple[float, float] = (0.22, 0.5),
    columns: tuple[float, float] = (0.3, 0.66),
    rank: int = 1,
) -> widgets.Explorer:
    """The channel that responds most to a region of a photo, compared with the rest of the photo.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None means the high stage of `net`.
        rows, columns: The region, from top to bottom and from left to right, as fractions of the image.
        rank: Which channel is drawn: 1 responds most, 2 is the next.
    """
    networks = widgets.NetworkPicker([net])

    def draw(
        image: Tensor, net: Network, layer: str, rows: tuple[float, float], columns: tuple[float, float], rank: int
    ) -> Figure:
        square, region = prepared(image, net), (*rows, *columns)
        maps = hooks.read(net, square, [layer])[layer]
        answer = activations.strongest_in_region(maps, region, k=rank)[-1]
        title = f"channel {answer.channel}: inside {answer.inside:.2f}, outside {answer.outside:.2f}"
        frame = images.Box(*(square.shape[2] * edge for edge in region))
        return plot.heat_map(square, maps[0, answer.channel], title, "activation", box=frame)

    return widgets.explore(
        draw,
        alt="A photo with a frame, and the map of the channel that answers most inside it",
        title="channel of a region",
        shown=("image", "layer", "rows", "columns", "rank"),
        image=widgets.ImagePicker(photo),
        net=networks,
        layer=widgets.LayerPicker(networks, activations.map_shapes, first=layer or net.stages.high),
        rows=widgets.span("rows", rows),
        columns=widgets.span("columns", columns),
        rank=widgets.integer("rank", rank, 1, 10),
    )
