"""The panel of the opening notebook: a photo, and the classes that a network finds most probable.

To change the panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.models import Network


def predictions(net: Network, photo: str = "coffee") -> widgets.Explorer:
    """A photo and its five most probable classes, for any photo and any network at hand.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
    """

    def draw(net: Network, image: Tensor) -> Figure:
        square = images.prepare(image, net.input_size)
        return plot.predictions(square, net.predict(square)[0], f"what {net.name} sees")

    return widgets.explore(
        draw,
        alt="A photo and bars with the network's five most probable classes",
        title="predictions",
        net=widgets.NetworkPicker([net]),
        image=widgets.ImagePicker(photo),
    )
