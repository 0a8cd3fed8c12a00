"""The panels of guided backprop: what each rule passes on, one neuron, the patches of a channel, and two classes.

To change a panel, copy its function into a cell together with the imports below: it is a call of `widgets.explore`.
"""

from collections.abc import Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, plot, widgets
from vizlib.analysis import activations, guided
from vizlib.analysis.patches import TopPatches
from vizlib.analysis.receptive_field import receptive_field
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.widgets.panels.controls import channel_pickers, choice
from vizlib.widgets.panels.scans import scans

RULES = ("guided", "deconvnet", "backprop")


def guided_relu(net: Network, photo: str = "chelsea", layer: str | None = None, channel: int = 20) -> widgets.Explorer:
    """The map of one channel, the gradient of the most probable class that arrives at it, and what three rules keep.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer, channel: What is drawn at first, of the layers that end in a ReLU; None means the high stage of `net`.
    """

    def rectified(net: Network) -> list[str]:
        square = images.prepare(images.load(photo), net.input_size)
        outputs = hooks.read(net, square, activations.map_shapes(net))
        return [layer for layer, output in outputs.items() if output.min() == 0]

    def draw(image: Tensor, net: Network, layer: str, channel: int) -> Figure:
        square = images.prepare(image, max(128, net.input_size)).clone().requires_grad_()
        with hooks.recording(net, [layer]) as outputs:
            answer = net(images.prepare(image, net.input_size)).argmax().item()
            score = net(square)[0, answer]
        (arriving,) = torch.autograd.grad(score, outputs[layer])
        a, g = outputs[layer][0, channel].detach(), arriving[0, channel]  # a > 0 exactly where the ReLU was open
        grids = {"out of the ReLU": a, "g, arriving": g}
        for name in reversed(RULES):
            kept = hooks.RELU_RULES[name](g, (a > 0).to(g.dtype))
            grids[f"{name}: {(kept != 0).float().mean():.0%}"] = kept
        return plot.signed_grids(grids, 5, f"{layer}, channel {channel}, and what each rule passes on")

    return widgets.explore(
        draw,
        alt="The map of one channel, the gradient that arrives at it, and what three rules pass on",
        title="three rules at a ReLU",
        shown=("image", "layer", "channel"),
        image=widgets.ImagePicker(photo),
        **channel_pickers(net, layer or net.stages.high, channel, rectified),
    )


def guided_neuron(
    net: Network, photo: str = "coffee", layer: str | None = None, channel: int = 185, rule: str = "guided"
) -> widgets.Explorer:
    """The gradient of a channel, where it fires most on a photo, with respect to the photo.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer, channel: What is drawn at first; None means the high stage of `net`.
        rule: How a gradient passes a ReLU: 'guided', 'deconvnet' or 'backprop'.
    """

    def draw(image: Tensor, net: Network, layer: str, channel: int, rule: str) -> Figure:
        square = images.prepare(image, max(128, net.input_size))
        cell = tuple(guided.strongest_cells(net, square, layer, channel)[0].tolist())
        box = receptive_field(net, layer, cell, square.shape[2])
        gradient = guided.gradient(net, square, layer, channel, cell, rule)
        few = f"90% of it in {guided.concentration(gradient)[0]:.1%} of the pixels"
        name = f"{rule}: {few if gradient.any() else 'nothing arrives'}"
        cells = [
            part
            for image, text in ((square, "the image"), (plot.around_gray(gradient), name))
            for part in (
                plot.Picture(image, text, boxes={"cyan": box}),
                plot.Picture(box.of(image), "in the frame"),
            )
        ]
        return plot.pictures(cells, title=f"{layer}, channel {channel}, cell {cell}")

    return widgets.explore(
        draw,
        alt="A photo with a neuron's receptive field framed, and the neuron's gradient",
        title="gradient of a neuron",
        shown=("image", "layer", "channel", "rule"),
        image=widgets.ImagePicker(photo),
        **channel_pickers(net, layer or net.stages.high, channel),
        rule=choice("rule", RULES, rule),
    )


def guided_patches(
    net: Network,
    gallery: Gallery | None = None,
    layer: str | None = None,
    channel: int = 20,
    rule: str = "guided",
    known: TopPatches | None = None,
) -> widgets.Explorer:
    """The patches that excite a channel most, and below each the gradient of its own neuron.

    A network whose patches are not known is scanned first; the row fills meanwhile.

    Args:
        net: The network at first; the panel offers others.
        gallery: Where the patches are taken from; by default, from the bundled photos, without mirrored ones.
        layer, channel: What is drawn at first; None means the high stage of `net`.
        rule: How a gradient passes a ReLU: 'guided', 'deconvnet' or 'backprop'.
        known: A scan of `net` over this gallery, if there is one; otherwise, eight patches of each channel are kept.
    """
    if gallery is None:
        gallery = galleries.patches().subset(range(0, len(galleries.patches()), 2))
    scanned = scans(gallery, known.k if known else 8, 128, known, net)

    def picture(top: TopPatches, net: Network, layer: str, channel: int, rule: str) -> Figure:
        ranks = (top.images[layer][channel] >= 0).nonzero()[:, 0].tolist()
        whole = torch.cat([top.image(gallery, layer, channel, rank) for rank in ranks])
        cells = top.cells[layer][channel, : len(ranks)]
        drawn = plot.around_gray(guided.gradient(net, whole, layer, channel, cells, rule), together=True)
        boxes = [top.box(layer, channel, rank) for rank in ranks]
        cut = [box.of(image) for row in (whole, drawn) for box, image in zip(boxes, row, strict=True)]
        title = f"{net.name}, {layer}, channel {channel}: the best of {top.done} images; {rule}"
        return plot.pictures(cut, columns=len(ranks), title=title, to_scale=True)

    def draw(net: Network, layer: str, channel: int, rule: str) -> Iterator[Figure | widgets.Progress]:
        for top in scanned(net):
            halfway = picture(top, net, layer, channel, rule) if top.done % 80 == 0 else None
            yield widgets.Progress(top.done, top.total, halfway)
        yield picture(top, net, layer, channel, rule)

    return widgets.explore(
        draw,
        alt="Eight patches that excite a channel most, above the gradients of its neurons",
        title="gradients of a channel's patches",
        **channel_pickers(net, layer or net.stages.high, channel),
        rule=choice("rule", RULES, rule),
    )


def guided_classes(net: Network, photo: str = "astronaut", rank: int = 50, rule: str = "guided") -> widgets.Explorer:
    """The gradient of a photo's most probable class beside that of another class, and the cosine between the two.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        rank: The other class: 2 is the second most probable; the last one, at most, is the least.
        rule: How a gradient passes a ReLU: 'guided', 'deconvnet' or 'backprop'.
    """

    most = max(2, len(net.classes)) if net.classes else 200

    def draw(image: Tensor, net: Network, rank: int, rule: str) -> Figure:
        square = images.prepare(image, max(128, net.input_size))
        order = net(images.prepare(image, net.input_size))[0].argsort(descending=True)
        rank = min(rank, len(order))
        chosen = [order[0].item(), order[rank - 1].item()]
        first, second = (guided.gradient(net, square, None, index, rule=rule) for index in chosen)
        names = [net.classes[index] if net.classes else f"class {index}" for index in chosen]
        titles = ["the image", f"1: {names[0]}", f"{rank}: {names[1]}"]
        pictures = [square, *plot.around_gray(torch.cat([first, second]), together=True)]
        return plot.pictures(pictures, titles, title=f"{rule}: cosine {guided.agreement(first, second).item():.2f}")

    return widgets.explore(
        draw,
        alt="A photo, and gradients for its most probable class and another",
        title="gradients of two classes",
        shown=("image", "rank", "rule"),
        image=widgets.ImagePicker(photo),
        net=widgets.NetworkPicker([net]),
        rank=widgets.integer("rank", min(rank, most), 2, most),
        rule=choice("rule", RULES, rule),
    )
