"""The panels of filters: one filter against a photo, the Fourier modes of the first layer, the weights of any layer.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import filters
from vizlib.models import Network
from vizlib.plot.tiles import filter_view
from vizlib.widgets.panels.controls import BESIDE


def filter_response(net: Network, photo: str = "coffee", filter: int = 9) -> widgets.Explorer:
    """A filter of the first layer, a photo, and the signed map of the filter's response to it.

    Args:
        net: The network.
        photo: The name of the photo at first.
        filter: The number of the filter at first.
    """
    layer = next(iter(filters.convolutions(net)))
    drawn = filters.as_images(filters.filters(net))

    def draw(image: Tensor, filter: int) -> Figure:
        square = images.prepare(image, 192)
        response = hooks.read(net, square, [layer])[layer][0, filter]
        return filter_view(drawn[filter], square, response, f"{net.name}, {layer}, filter {filter}")

    return widgets.explore(
        draw,
        alt="A filter, a photo, and the map of the filter's response",
        title="response of a filter",
        image=widgets.ImagePicker(photo),
        filter=widgets.integer("filter", filter, 0, len(drawn) - 1),
    )


def filter_modes(net: Network, modes: int = 3) -> widgets.Explorer:
    """The filters of the first layer, and how much of their energy their strongest Fourier modes hold.

    Args:
        net: The network at first; the panel offers others.
        modes: How many of the strongest modes are counted.
    """

    def draw(net: Network, modes: int) -> Figure:
        weights = filters.filters(net)
        share = filters.fourier_share(weights, modes).mean()
        title = f"{net.name}: {share:.0%} of the energy in {modes} modes"
        return plot.filter_grid(filters.as_images(weights), title, width=BESIDE)

    return widgets.explore(
        draw,
        alt="The filters of the first layer, as colour pictures",
        title="Fourier modes of filters",
        layout="beside",
        net=widgets.NetworkPicker([net]),
        modes=widgets.integer("modes", modes, 1, 12),
    )


def filter_weights(net: Network, layer: str | None = None) -> widgets.Explorer:
    """The weights of any convolution: in the first layer colour pictures, in later ones a grey kernel for each input.

    Args:
        net: The network at first; the panel offers others.
        layer: The layer at first; None means the first.
    """
    networks = widgets.NetworkPicker([net])

    def draw(net: Network, layer: str) -> Figure:
        weights = filters.filters(net, layer)
        some = weights if weights.shape[1] == 3 else weights[:12, :32]
        return plot.filter_grid(filters.as_images(some), f"{net.name}, {layer}: weights {tuple(weights.shape)}")

    return widgets.explore(
        draw,
        alt="The weights of one layer as small pictures",
        title="weights of a layer",
        net=networks,
        layer=widgets.LayerPicker(networks, lambda net: list(filters.convolutions(net)), first=layer),
    )
