"""The panels of feature inversion: a running search, several layers, one photo taken apart, and four searches at once.

To change a panel, copy its function into a cell together with the imports below: it is an ordinary call of `live.run`
or `widgets.explore`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from vizlib import images, optimize, plot, widgets
from vizlib.analysis.activations import map_shapes
from vizlib.models import Network, stages
from vizlib.optimize import Step
from vizlib.synthesis import inversion
from vizlib.synthesis.inversion import InversionKnobs
from vizlib.widgets import live
from vizlib.widgets.panels.controls import choice, ladder

ROUGHNESS = [0, 0.5, 2, 5, 20, 100]
STEPS = [60, 200, 600, 2000]


def square(net: Network, photo: Tensor) -> Tensor:
    """The photo as the panels invert it: near the network's own size, but of 96 to 128 pixels, for speed."""
    return images.prepare(photo, min(128, max(96, net.input_size)))


def inversion_search(
    net: Network,
    photo: str = "coffee",
    layer: str | None = None,
    total_variation: float = 2,
    made_of: str = "frequencies",
    steps: int = 600,
) -> live.Run:
    """A photo, and beside it the image that is being found from the features of a layer; the layer may be moved.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer, total_variation, steps: Where the sliders stand at first; see `InversionKnobs`. No layer stands for the
            network's content layer, relu5 of MiniVGG.
        made_of: What the image is made of: 'frequencies' (a Fourier spectrum) or 'pixels'.
    """
    layer = layer or stages.content_and_style_layers(net)[0][0]
    knobs, networks = InversionKnobs(layer=layer), widgets.NetworkPicker([net])

    def start(net: Network, photo: Tensor, made_of: str) -> Iterator[Step]:
        small = square(net, photo)
        begin = inversion.noise(net, small, fourier=made_of == "frequencies")
        return inversion.invert(net, small, begin, knobs)

    def picture(step: Step, net: Network, photo: Tensor) -> Tensor:
        return images.resize(torch.cat([square(net, photo), step.image], 3), 320, "bicubic")

    return live.run(
        start,
        knobs,
        alt=f"A photo, and beside it the image that was found from the features of {layer}",
        key="inversion",
        quick=50,
        picture=picture,
        shown=("layer", "total_variation", "steps", "photo", "made_of"),
        inputs={
            "photo": widgets.ImagePicker(photo),
            "made_of": choice("made of", ["frequencies", "pixels"], made_of),
            "net": networks,
        },
        sliders={
            "layer": widgets.LayerPicker(networks, first=layer),
            "total_variation": ladder("TV", ROUGHNESS, total_variation),
            "steps": ladder("steps", STEPS, steps),
        },
        layout="above",
    )


def inversion_depths(net: Network, photo: str = "astronaut", count: int = 7, steps: int = 40) -> widgets.Explorer:
    """A photo inverted from several layers, evenly from the first to the last that gives maps.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        count: How many layers.
        steps: How many steps each search takes.
    """
    ways = {"TV, frequencies": (2, True, 0.05), "TV, pixels": (5, False, 0.2), "pixels alone": (0, False, 0.2)}

    def draw(net: Network, photo: Tensor, way: str) -> Iterator[widgets.Progress]:
        (roughness, fourier, contrast), small = ways[way], square(net, photo)
        known = list(map_shapes(net))
        layers = [known[round(i * (len(known) - 1) / (count - 1))] for i in range(count)]
        cells, titles = [small] + [None] * count, ["photo", *layers]
        for done, layer in enumerate(layers, 1):
            begin = inversion.noise(net, small, contrast=contrast, fourier=fourier)
            knobs = InversionKnobs(layer=layer, total_variation=roughness, steps=steps)
            found = cells[done] = optimize.last(inversion.invert(net, small, begin, knobs)).image
            titles[done] = f"{layer}, {inversion.psnr(found, small).item():.1f} dB"
            figure = plot.pictures(cells, titles, 4, f"{net.name}: what comes back from a layer ({way})")
            yield widgets.Progress(done, count, figure)

    return widgets.explore(
        draw,
        alt=f"A photo, and its inversions from {count} layers of a network",
        title="the inversions of several layers",
        net=widgets.NetworkPicker([net]),
        photo=widgets.ImagePicker(photo),
        way=widgets.choice(list(ways), "way"),
    )


def inversion_parts(
    net: Network, photo: str = "astronaut", layer: str | None = None, steps: int = 60
) -> widgets.Explorer:
    """A photo and an inversion, each taken apart into layout, detail and colour while the search goes on.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None takes the fourth of the five stages, relu6 of MiniVGG.
        steps: How many steps the search takes.
    """
    layer = layer or net.stages.high
    heads = ["image", "layout", "detail, x2", "colour, x2"]

    def parts(picture: Tensor) -> list[Tensor]:
        layout, detail, color = inversion.split(picture)
        layout, detail = layout.expand(-1, 3, -1, -1), detail.expand(-1, 3, -1, -1)
        return [picture, layout, 0.5 + 2 * detail, 0.5 + 2 * color]

    def draw(net: Network, photo: Tensor, layer: str) -> Iterator[widgets.Progress]:
        small, knobs = square(net, photo), InversionKnobs(layer=layer, steps=steps)
        for step in inversion.invert(net, small, inversion.noise(net, small), knobs):
            figure = None
            if step.iteration % 10 == 0 or step.iteration in (1, steps):
                values = inversion.kept(step.image, small)
                title = "correlation: layout {:.2f}, detail {:.2f}, colour {:.2f}".format(*(v.item() for v in values))
                figure = plot.table({"photo": parts(small), layer: parts(step.image)}, heads, title)
            yield widgets.Progress(step.iteration, steps, figure)

    networks = widgets.NetworkPicker([net])
    return widgets.explore(
        draw,
        alt="A photo and an inversion, each with its layout, detail and colour",
        title="the inversion taken apart",
        layer=widgets.LayerPicker(networks, first=layer),
        photo=widgets.ImagePicker(photo),
        net=networks,
    )


def inversion_seeds(
    net: Network, photo: str = "astronaut", layer: str | None = None, total_variation: float = 2, steps: int = 600
) -> live.Run:
    """A photo, and four inversions of the same layer from different noise; *mirror* turns the features round.

    Args:
        net: The network at first; the panel offers others.
        photo: The name of the photo at first.
        layer, total_variation, steps: Where the sliders stand at first; see `InversionKnobs`. No layer stands for the
            fourth of the five stages, relu6 of MiniVGG.
    """
    layer = layer or net.stages.high
    knobs, networks = InversionKnobs(layer=layer), widgets.NetworkPicker([net])

    def start(net: Network, photo: Tensor) -> Iterator[Step]:
        small = square(net, photo)
        return inversion.invert(net, small, inversion.noise(net, small, n=4), knobs)

    def picture(step: Step, net: Network, photo: Tensor) -> Tensor:
        row = torch.cat([square(net, photo), step.image])
        return images.sheet(images.resize(row, 180, "bicubic"), 5, gap=4)

    return live.run(
        start,
        knobs,
        alt=f"A photo, and four inversions of {layer} from different noise",
        key="four_inversions",
        quick=36,
        picture=picture,
        shown=("layer", "mirror", "total_variation", "steps", "photo"),
        inputs={"photo": widgets.ImagePicker(photo), "net": networks},
        sliders={
            "layer": widgets.LayerPicker(networks, first=layer),
            "total_variation": ladder("TV", ROUGHNESS, total_variation),
            "mirror": widgets.choice([False, True], "mirror"),
            "steps": ladder("steps", STEPS, steps),
        },
        layout="above",
    )
