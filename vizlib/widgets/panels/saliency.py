"""The panels of saliency that look at one photo: one of its classes, six methods, SmoothGrad, and what is cut out.

To change a panel, copy its function into a cell together with the imports and helpers that it uses: it is an ordinary
call of `widgets.explore`. The panels that test a map are in `saliency_checks.py`.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.analysis import saliency, segmentation
from vizlib.models import Network
from vizlib.models.network import Prediction
from vizlib.widgets import Progress
from vizlib.widgets.panels.controls import choice, ladder

METHODS = list(saliency.METHODS)


def square(net: Network, photo: Tensor) -> Tensor:
    """The photo as the maps are drawn: of the network's own size, and of at least 128 pixels."""
    return images.prepare(photo, max(128, net.input_size))


def answered(net: Network, photo: Tensor, rank: int = 1) -> Prediction:
    """The class that the network puts at this rank, at the size that it was trained on; larger, it knows less."""
    return net.predict(images.prepare(photo, net.input_size), rank)[0][-1]


def beside(photo: Tensor, heat: Tensor, title: str) -> Figure:
    """A photo, and beside it a map `(1, H, W)` under its title."""
    return plot.pictures({"the image": photo, title: saliency.rescaled(heat)[0]}, columns=2)


def saliency_classes(net: Network, photo: str = "motorcycle", rank: int = 1) -> widgets.Explorer:
    """A photo, and the saliency map of one of its classes.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        rank: Which class at first: 1 is the one that the network puts first.
    """

    def draw(image: Tensor, net: Network, rank: int) -> Figure:
        small = images.prepare(image, net.input_size)
        answer = answered(net, image, rank)
        heat = saliency.METHODS["gradient"](net, small, answer.index)
        return beside(small, heat, f"{answer.name}, {answer.probability:.0%}")

    return widgets.explore(
        draw,
        alt="A photo, and the saliency map of one of its classes",
        title="the saliency of a class",
        rank=widgets.integer("rank", rank, 1, 10),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
    )


def saliency_methods(
    net: Network, photo: str = "rocket", method: str = "integrated gradients", rank: int = 1
) -> widgets.Explorer:
    """A photo, and the map of one of six methods for one of its classes.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        method: The method at first, one of `saliency.METHODS`.
        rank: Which class at first: 1 is the one that the network puts first.
    """

    def draw(image: Tensor, net: Network, method: str, rank: int) -> Iterator[Figure]:
        small, answer = square(net, image), answered(net, image, rank)
        heat = saliency.METHODS[method](net, small, answer.index)
        yield beside(small, heat, f"{method}: {answer.name}, {answer.probability:.0%}")

    return widgets.explore(
        draw,
        alt="A photo, and one of six maps for one of its classes",
        title="one of six maps",
        method=choice("method", METHODS, method),
        rank=widgets.integer("rank", rank, 1, 10),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
    )


def saliency_smoothgrad(
    net: Network, photo: str = "chelsea", noise: float = 0.25, samples: int = 32
) -> widgets.Explorer:
    """A photo, and its SmoothGrad map while the samples come in.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        noise: The standard deviation of the noise at first, where 1 is from black to white.
        samples: How many noisy copies at first.
    """

    def draw(image: Tensor, net: Network, noise: float, samples: int) -> Iterator[Progress]:
        small = square(net, image)
        for step in saliency.smoothing(net, small, answered(net, image).index, samples, noise):
            figure = None
            if step.done % 4 == 0 or step.done in (1, samples):
                figure = beside(small, saliency.importance(step.attributions), f"mean of {step.done} gradients")
            yield Progress(step.done, step.total, figure)

    return widgets.explore(
        draw,
        alt="A photo, and its SmoothGrad map",
        title="SmoothGrad",
        noise=ladder("noise", [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5], noise),
        samples=ladder("samples", [1, 2, 4, 8, 16, 32, 64], samples),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
    )


def saliency_segmentation(
    net: Network, photo: str = "china", method: str = "SmoothGrad", sure: float = 0.1, background: float = 0.2
) -> widgets.Explorer:
    """A photo, a saliency map, the seeds that are taken from it, and what a graph cut makes of them.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        method: 'SmoothGrad', 'Grad-CAM' or 'gradient'.
        sure, background: The shares of the pixels at first that are the object for certain, and background.
    """

    def draw(image: Tensor, net: Network, method: str, sure: float, background: float) -> Iterator[Figure]:
        small = square(net, image)
        heat = saliency.METHODS[method](net, small, answered(net, image).index)
        found = segmentation.segment(small, heat[0], sure, background)
        yield plot.cut_out(small, saliency.rescaled(heat)[0], found.seeds, found.mask)

    return widgets.explore(
        draw,
        alt="A photo, a saliency map, seeds, and what was cut out",
        title="the segmentation",
        shown=("method", "sure", "background", "image"),
        method=choice("method", ["SmoothGrad", "Grad-CAM", "gradient"], method),
        sure=ladder("sure", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3], sure),
        background=ladder("background", [0.05, 0.1, 0.2, 0.3, 0.4, 0.5], background),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
    )
