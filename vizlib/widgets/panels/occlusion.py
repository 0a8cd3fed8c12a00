"""The panels of occlusion: the map of a class, the windows that a square can change, and five fills side by side.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.analysis import occlusion
from vizlib.analysis.incremental import work
from vizlib.models import Network
from vizlib.widgets.panels.controls import choice, class_box


def occlusion_map(
    net: Network,
    photo: str = "flower",
    target: str = "",
    size: int = 16,
    stride: int = 4,
    fill: str = "mean",
    score: str = "logit",
) -> widgets.Explorer:
    """What covering each place costs a class, from coarse to fine, and the costliest place covered.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        target: The name of the class at first; without one, *rank* chooses among the most probable classes.
        size, stride: The side of the square, and the distance from one position to the next, in pixels.
        fill: What the square shows; one of `occlusion.FILLS`.
        score: Whose drop is measured: 'logit' or 'probability'.
    """
    networks = widgets.NetworkPicker([net])

    def draw(
        image: Tensor, net: Network, rank: int, named: str, size: int, stride: int, fill: str, score: str
    ) -> Iterator[widgets.Progress]:
        square = images.prepare(image, net.input_size)
        target = named or net.predict(square, rank)[0][-1].name
        shows = occlusion.shown(net, square, fill)
        for step in occlusion.refining(net, square, target, size, stride, fill, score):
            figure = plot.heat_map(
                square,
                step.pixels(),
                f"{target}: {step.clean:.2f}, at worst {step.heat.min():.2f}",
                f"drop of the {score}",
                signed=True,
                beside=occlusion.cover(square, shows, *step.peak),
                beside_title="the costliest place is covered",
            )
            yield widgets.Progress(step.done, step.total, figure)

    return widgets.explore(
        draw,
        alt="A covered photo, and what covering each place costs",
        title="occlusion map",
        shown=("image", "rank", "size", "stride", "fill"),
        image=widgets.ImagePicker(photo),
        net=networks,
        rank=widgets.integer("rank", 1, 1, 5),
        named=class_box(networks, target, placeholder="any class by its name"),
        size=widgets.integer("size", size, 4, 64),
        stride=widgets.integer("stride", stride, 2, 32),
        fill=choice("fill", occlusion.FILLS, fill),
        score=choice("score", occlusion.SCORES, score),
    )


def occlusion_windows(net: Network, photo: str = "chelsea", size: int = 8) -> widgets.Explorer:
    """The window of each layer that a covered square can change, where the square is moved about.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        size: The side of the square, in pixels.
    """

    def draw(image: Tensor, net: Network, size: int, down: float, right: float) -> Figure:
        square = images.prepare(image, max(64, net.input_size))
        starts = (round(part * (square.shape[-1] - size)) for part in (down, right))
        rows, columns = ((start, start + size) for start in starts)
        covered = occlusion.cover(square, occlusion.shown(net, square), rows, columns)
        growth = work.growth(net, square, rows, columns)
        few = growth[:: len(growth) // 19 + 1]  # of a deep network some layers only
        return plot.window_growth(covered, few, f"{net.name}: what the square can change")

    return widgets.explore(
        draw,
        alt="The window that an occluder can change, layer by layer",
        title="windows of a square",
        shown=("image", "size", "down", "right"),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
        size=widgets.integer("size", size, 1, 48),
        down=widgets.fraction("down"),
        right=widgets.fraction("right"),
    )


def occlusion_fills(net: Network, photo: str = "coffee", size: int = 16, rank: int = 1) -> widgets.Explorer:
    """The occlusion maps of one class with five fills of the square; they appear one after the other.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        size: The side of the square, in pixels.
        rank: Which class is asked about: 1 is the most probable, 2 the next.
    """

    def draw(image: Tensor, net: Network, size: int, rank: int) -> Iterator[widgets.Progress]:
        square = images.prepare(image, net.input_size)
        target = net.predict(square, rank)[0][-1]
        count, stride = len(occlusion.FILLS), max(net.input_size // 16, size // 4)
        views, drops, title = (
            [],
            [],
            f"{target.name}, {size} pixels: covering what is red costs the class",
        )
        for fill in occlusion.FILLS:
            result = occlusion.occlusion(net, square, target.index, size, stride, fill, "probability")
            views.append(occlusion.cover(square, occlusion.shown(net, square, fill), *result.peak))
            drops.append(result.pixels())
            names = occlusion.FILLS[: len(views)]
            figure = plot.heat_maps(square, drops, names, title, signed=True, above=views, columns=count)
            yield widgets.Progress(len(views), count, figure)

    return widgets.explore(
        draw,
        alt="Occlusion maps of one image with five fills",
        title="five fills",
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
        size=widgets.integer("size", size, 8, 64),
        rank=widgets.integer("rank", rank, 1, 5),
    )
