"""The panels of adversarial examples that take one step: its size, the line that it lies on, what a file keeps of it.

To change a panel, copy its function into a cell together with the imports and helpers that it uses: it is an ordinary
call of `widgets.explore`. The attacks of many steps are in `attacks.py`.
"""

from collections.abc import Iterator
from functools import lru_cache

import ipywidgets as W
from matplotlib.figure import Figure
from torch import Tensor, cat

from vizlib import images, plot, widgets
from vizlib.models import Network, Prediction
from vizlib.synthesis import adversarial, robustness
from vizlib.widgets.panels.controls import choice, class_box

LEVELS = [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16]
NORMS = list(adversarial.NORMS)


def level_slider(description: str, level: float, least: float = 0.25, anything: bool = False) -> W.SelectionSlider:
    """A slider over sizes that are written in grey levels of 255; its value is in units of [0, 1].

    Args:
        level: Where it stands at first, in grey levels.
        least: The smallest level that it offers.
        anything: Whether it also offers the size 1, which allows every image.
    """
    sizes = [(f"{one:g}/255", one / 255) for one in sorted({*LEVELS, level}) if one >= least]
    return widgets.steps(description, sizes + [("anything", 1.0)] * anything, level / 255)


def adversarial_step(
    net: Network, photo: str = "motorcycle", level: float = 2, norm: str = "Linf", target: str = ""
) -> widgets.Explorer:
    """A photo, one step along the sign of the gradient, and their sum, with the network's answers.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        level: The size of the step at first, in grey levels of 255.
        norm: Which size is meant at first, 'Linf' or 'L2'.
        target: The name of a class to go towards; "" goes away from the network's answer.
    """

    @lru_cache(8)
    def towards(net: Network, image: Tensor, norm: str, target: str) -> tuple[Tensor, Tensor, list[Prediction]]:
        square = images.prepare(image, net.input_size)
        return square, adversarial.direction(net, square, target, norm), net.predict(square, 3)[0]

    def draw(image: Tensor, net: Network, epsilon: float, norm: str, target: str) -> Figure:
        square, direction, before = towards(net, image, norm, target)
        changed = adversarial.add(square, direction, epsilon)
        title = f"{net.name}: one step of {255 * epsilon:g} grey levels ({norm})"
        return plot.attack_view(square, changed, before, net.predict(changed, 3)[0], 10, title)

    networks, slider = widgets.NetworkPicker([net]), level_slider("epsilon", level, 0)
    slider.continuous_update = True  # only the answer is new at each place
    return widgets.explore(
        draw,
        alt="A photo, one step along the gradient's sign, their sum, and the network's answers",
        title="one step",
        shown=("epsilon", "target", "norm", "image"),
        epsilon=slider,
        target=class_box(networks, target, placeholder="away from the answer"),
        norm=choice("norm", NORMS, norm),
        image=widgets.ImagePicker(photo),
        net=networks,
    )


def adversarial_line(
    net: Network, photo: str = "coffee", norm: str = "Linf", seed: int = 0, furthest: int = 16
) -> widgets.Explorer:
    """Two logits along the line of the gradient through a photo, and along a random line.

    Args:
        net: The network at first, whose gradient gives the line; the panel offers others.
        photo: The name of the photo at first.
        norm: Which size is meant at first, 'Linf' (signs) or 'L2'.
        seed: Seeds the random line at first.
        furthest: How far the lines go to either side, in grey levels of 255.
    """

    def draw(image: Tensor, net: Network, norm: str, seed: int) -> Iterator[Figure]:
        square = images.prepare(image, net.input_size)
        first, answer = adversarial.direction(net, square, norm=norm), net.predict(square, 1)[0][0]
        further = net.predict(adversarial.add(square, first, 8 / 255), 2)[0]
        rival = next(one for one in further if one.index != answer.index)
        directions = {
            f"{net.name}, along its gradient ({norm})": first,
            "along random noise": adversarial.random_direction(square, norm, seed),
        }
        levels, charts = list(range(-furthest, furthest + 1, 2)), {}
        for title, direction in directions.items():
            logits = robustness.along(net, square, direction, [level / 255 for level in levels])
            charts[title] = {one.name: logits[:, one.index].tolist() for one in (answer, rival)}
        yield plot.lines(levels, charts, "grey levels from the photo", "logit", shared_y=True, marks=[0])

    return widgets.explore(
        draw,
        alt="Logits along the gradient, and along a random line",
        title="the logits along a line",
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
        norm=choice("norm", NORMS, norm),
        seed=widgets.integer("seed", seed, 0, 50),
    )


def adversarial_file(net: Network, photo: str = "chelsea", quality: int = 75) -> widgets.Explorer:
    """The probability of the first answer by the size of a step: as computed, after a PNG file, and after a JPEG file.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        quality: Of the JPEG file at first, 10 to 95.
    """

    def draw(image: Tensor, net: Network, quality: int) -> Iterator[Figure]:
        square = images.load(images.to_bytes(images.prepare(image, net.input_size)))
        first, direction = net.predict(square, 1)[0][0], adversarial.direction(net, square)
        lines, levels = {"as computed": [], "PNG": [], f"JPEG {quality}": []}, LEVELS[:10]
        for level in levels:
            changed = adversarial.add(square, direction, level / 255)
            files = images.to_bytes(changed), images.to_bytes(changed, "jpeg", quality)
            chances = net.probabilities(net(cat([changed, *map(images.load, files)])))[:, first.index]
            for line, chance in zip(lines.values(), chances.tolist(), strict=True):
                line.append(chance)
        title = f"{net.name}: does it still say {first.name}?"
        yield plot.lines(levels, lines, "grey levels of one step", "probability", title, percent=True)

    return widgets.explore(
        draw,
        alt="The first answer's probability by size of step: as computed, after PNG, after JPEG",
        title="the steps in files",
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
        quality=widgets.integer("quality", quality, 10, 95),
    )
