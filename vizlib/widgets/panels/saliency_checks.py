"""The panels that test a saliency map: on classifiers with a known cue, and on a network that is made random.

To change a panel, copy its function into a cell together with the imports below: it is an ordinary call of
`widgets.explore`.
"""

from collections.abc import Iterator, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import hooks, images, models, plot, widgets
from vizlib.analysis import biases, saliency, sanity
from vizlib.models import Network, Target
from vizlib.widgets.panels.controls import choice


def saliency_cheat(
    classifiers: Sequence[Network], test: biases.Pictures, method: str = "integrated gradients", picture: int = 0
) -> widgets.Explorer:
    """A digit with or without its tag, a classifier's answer, and how much of the map lies on the tag.

    Args:
        classifiers: The networks to choose from; their two classes are those of the pictures' labels.
        test: The pictures, as `biases.digits` gives them.
        method: 'integrated gradients', 'gradient', 'SmoothGrad' or 'Grad-CAM'.
        picture: The number of the picture at first.
    """
    methods, names = ["integrated gradients", "gradient", "SmoothGrad", "Grad-CAM"], classifiers[0].classes

    def draw(net: Network, method: str, tag: str, picture: int) -> Figure:
        image = biases.tagged(test.images[picture, None], torch.tensor([tag == "with tag"]))
        larger = images.resize(image, max(32, net.input_size))
        answer = net.predict(larger, 1)[0][0]
        heat = saliency.METHODS[method](net, larger, answer.index)
        share = biases.share_inside(saliency.resized(heat, image), biases.TAG).item()
        title = f"{answer.name}, {answer.probability:.0%}; {share:.0%} on the tag"
        shown = {f"a {names[test.labels[picture]]}": image, title: saliency.rescaled(heat)[0]}
        return plot.pictures(shown, columns=2)

    return widgets.explore(
        draw,
        alt="A handwritten digit with an orange tag, and a map that is brightest on the tag",
        title="the digits with a tag",
        net=widgets.NetworkPicker(classifiers),
        method=choice("method", methods, method),
        tag=widgets.choice(["with tag", "without"], "tag"),
        picture=widgets.integer("picture", picture, 0, len(test.labels) - 1),
    )


def saliency_randomized(net: Network, photo: str = "coffee", layer: str | None = None) -> widgets.Explorer:
    """Five maps of a trained network, and below them those of the same network made random down to a layer.

    Args:
        net: The network at first, one that `models.load` knows; the panel offers others.
        photo: The name of the photo at first.
        layer: How far down the network is random at first; None means its last three layers with weights.
    """

    def guided(net: Network, image: Tensor, target: Target = None) -> Tensor:
        with hooks.relu_rule(net, "guided"):
            return saliency.METHODS["gradient"](net, image, target)

    names = ["gradient", "gradient x input", "SmoothGrad", "Grad-CAM"]
    methods = {name: saliency.METHODS[name] for name in names} | {"guided backprop": guided}

    def draw(layer: str, image: Tensor, net: Network) -> Iterator[Figure]:
        square = images.prepare(image, max(128, net.input_size))
        target = saliency.predicted(net, images.prepare(image, net.input_size))
        fresh = models.load(net.name.removesuffix(" (untrained)"), weights="untrained")
        random = sanity.randomized(net, fresh, layer)
        rows, heads = {"trained": [], "random": []}, []
        for name, method in methods.items():
            heats = [method(stage, square, target) for stage in (net, random)]
            heads.append(f"{name}\nrank corr. {sanity.rank_correlation(*heats).item():.2f}")
            for row, heat in zip(rows.values(), heats, strict=True):
                row.append(saliency.rescaled(heat)[0])
        yield plot.table(rows, heads, f"random from the top down to {layer}")

    networks = widgets.NetworkPicker([net])
    return widgets.explore(
        draw,
        alt="Maps of the trained network, and below them those of a partly random one",
        title="the random network",
        layer=widgets.LayerPicker(networks, sanity.layers_from_top, first=layer or sanity.layers_from_top(net)[:3][-1]),
        image=widgets.ImagePicker(photo),
        net=networks,
    )
