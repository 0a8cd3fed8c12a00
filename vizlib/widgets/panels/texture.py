"""The panels of texture synthesis: grown pixel by pixel, sewn from blocks, and made from noise by Gram matrices.

To change a panel, copy its function and the imports below into a cell: it is a call of `live.run` or `widgets.explore`.
"""

from collections.abc import Iterator, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.models import Network, stages
from vizlib.optimize import Step
from vizlib.synthesis import growth, pieces, quilting, texture
from vizlib.synthesis.growth import GrowthKnobs
from vizlib.synthesis.texture import TextureKnobs
from vizlib.widgets import Explorer, live
from vizlib.widgets.panels.controls import choice, ladder

WEIGHTS = [0, 0.1, 0.3, 1, 3, 10]


def samples(first: str, more: Sequence[str] = ()) -> widgets.ImagePicker:
    """A choice among the bundled paintings and textures, and uploads."""
    return widgets.ImagePicker(first, names=[*images.styles(), *images.textures(), *more], label="sample")


def texture_growth(
    sample: str = "brick", window: int = 11, tolerance: float = 0.1, part: int = 48, steps: int = 64
) -> live.Run:
    """A texture of 64x64 pixels that grows from a few pixels in the middle; both knobs are read at every pixel.

    Args:
        sample: The name of the sample at first.
        window, tolerance: Where the sliders stand at first; see `GrowthKnobs`.
        part: Side of the square of the sample that is used at first, in pixels.
        steps: How many times the growing texture is shown.
    """
    knobs = GrowthKnobs(steps=steps)

    def start(sample: Tensor, part: int) -> Iterator[Step]:
        small = images.resize(sample, max(part, 128))  # small enough to show some repetitions
        return growth.grow(images.center_crop(small, part), knobs, (64, 64))

    def enlarged(step: Step) -> Tensor:
        return images.resize(step.image, 448, "nearest")

    return live.run(
        start,
        knobs,
        alt=f"A texture of 64x64 pixels, grown from a few pixels of the sample {sample}",
        key="texture_growth",
        quick=64,
        picture=enlarged,
        inputs={"sample": samples(sample), "part": ladder("part", [32, 48, 64], part)},
        sliders={
            "window": ladder("window", [3, 5, 7, 9, 11, 15, 19, 23], window),
            "tolerance": ladder("tolerance", [0.0, 0.02, 0.1, 0.3, 1.0], tolerance),
        },
    )


def texture_quilt(sample: str = "gravel", block: int = 24, overlap: float = 0.25, seams: str = "cut") -> Explorer:
    """A sample, and a larger texture that is sewn from its blocks.

    Args:
        sample: The name of the sample at first.
        block, overlap: Where the sliders stand at first; see `quilting.QuiltKnobs`.
        seams: Whether the blocks are 'cut' or 'not cut' at first.
    """

    def draw(sample: Tensor, block: int, overlap: float, seams: str) -> Iterator[Figure]:
        part = images.center_crop(images.resize(sample, 256), 128)
        knobs = quilting.QuiltKnobs(block, overlap, cut=seams == "cut")
        for step in quilting.quilt(part, knobs, (192, 192)):
            if step.iteration % 20 == 0:  # a look at it now and then
                yield plot.pictures({"sample": part, f"{step.iteration} blocks": step.image}, to_scale=True)
        title = f"{step.iteration} blocks, {pieces.copied_share(step.origin):.0%} copied"
        yield plot.pictures({"sample": part, title: step.image}, to_scale=True)

    return widgets.explore(
        draw,
        alt=f"The sample {sample}, and a larger texture sewn from its blocks",
        title="quilt",
        sample=samples(sample),
        block=ladder("block", [8, 16, 24, 32, 48, 64], block),
        overlap=ladder("overlap", [0.1, 0.25, 0.4], overlap),
        seams=choice("seams", ["cut", "not cut"], seams),
    )


def shuffled(image: Tensor, side: int) -> Tensor:
    """The image `(1, 3, H, H)` cut into squares of `side` pixels, put together in another order."""
    n = image.shape[2] // side
    blocks = image.view(3, n, side, n, side).transpose(2, 3).reshape(3, n * n, side, side)
    blocks = blocks[:, torch.randperm(n * n, generator=torch.Generator().manual_seed(0))]
    return blocks.view(3, n, n, side, side).transpose(2, 3).reshape(1, 3, n * side, n * side)


def texture_grams(net: Network, sample: str = "glass", layer: str | None = None, block: int = 48) -> Explorer:
    """A picture and its Gram matrix, and the same for its shuffled blocks.

    Args:
        net: The network at first; the panel offers others.
        sample: The name of the picture at first.
        layer: The layer at first, one of the network's style layers; None takes the one in the middle.
        block: Side of the blocks at first, in pixels.
    """
    style_layers = stages.content_and_style_layers(net)[1]
    layer = layer or style_layers[len(style_layers) // 2]

    def draw(sample: Tensor, layer: str, block: int, net: Network) -> Figure:
        square = images.prepare(sample, 192)
        mixed = shuffled(square, block)
        grams = [texture.gram_matrices(net, image, [layer])[layer] for image in (square, mixed)]
        away = texture.style_distances(net, mixed, square, [layer])[layer]
        title = f"{layer}, blocks of {block} pixels: the matrices differ by {away:.3f}"
        return plot.grams(grams, ["picture", "shuffled"], title, images=[square, mixed], width=6)

    networks = widgets.NetworkPicker([net])
    return widgets.explore(
        draw,
        alt=f"The picture {sample} and its Gram matrix, and its shuffled blocks with nearly the same matrix",
        title="Gram matrices",
        layout="beside",
        layer=widgets.LayerPicker(networks, lambda net: stages.content_and_style_layers(net)[1], first=layer),
        block=ladder("block", [8, 16, 32, 48, 96], block),
        sample=samples(sample, images.photos()),
        net=networks,
    )


def texture_synthesis(
    net: Network, sample: str = "mosaic", size: tuple[int, int] = (160, 192), steps: int = 160
) -> live.Run:
    """A texture that is made from noise, with the weights of its layers on sliders.

    Args:
        net: The network whose Gram matrices are matched at first; the panel offers others.
        sample: The name of the sample at first.
        size: Height and width of the result, in pixels; the sample is shrunk to a square as high.
        steps: How many steps.
    """
    knobs = TextureKnobs(steps=steps)

    def start(net: Network, sample: Tensor) -> Iterator[Step]:
        return texture.synthesize(net, images.prepare(sample, size[0]), knobs, size)

    weights = {f"weight{i}": widgets.steps(f"weight{i}", WEIGHTS, 1) for i in range(1, 7)}
    return live.run(
        start,
        knobs,
        alt=f"A texture like the sample {sample}, synthesised from noise",
        key="texture_synthesis",
        quick=120,
        shown=("sample", "weight1", "weight3", "weight5", "steps"),
        inputs={"sample": samples(sample), "net": widgets.NetworkPicker([net])},
        sliders={
            **weights,
            "steps": ladder("steps", [40, 80, 160, 320, 640], steps),
            "total_variation": widgets.steps("TV", [0, 0.1, 0.3, 1, 3], 0.3),
        },
    )
