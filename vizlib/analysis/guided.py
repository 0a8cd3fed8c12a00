"""Which pixels matter to one neuron: its gradient with respect to the image, by three rules for the ReLUs on the way.

A ReLU decides twice. In the forward pass it lets through what is positive. In the backward pass the gradient goes on

- `backprop`: where the ReLU's input was positive. This is the true gradient (Simonyan et al. 2014).
- `deconvnet`: where the gradient is positive, whatever came up (Zeiler and Fergus 2014).
- `guided`: where both are (Springenberg et al. 2015). What lowers the neuron is left out at every ReLU.

The last two are no gradients of any function: they are pictures. The rules themselves are `hooks.RELU_RULES`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vizlib.hooks import ReluRule, read, relu_rule
from vizlib.images import Box
from vizlib.models import Network
from vizlib.models.choosing import one_for_each

Channel = int | Sequence[int] | Tensor
Cell = str | tuple[int, int] | Sequence[tuple[int, int]] | Tensor

# --- one neuron of each image ---------------------------------------------------------------------------------------


def gradient(
    net: Network,
    images: Tensor,
    layer: str | None,
    channel: Channel,
    cell: Cell = "strongest",
    rule: str | ReluRule = "guided",
) -> Tensor:
    """How a neuron answers to a change of each value of the image, under a rule for every ReLU between the two.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        layer: A name in `net.layers` whose output is `(N, C, h, w)` or `(N, C)`; None means the logits.
        channel: Which of the C channels (of the logits: which class), or one for each image.
        cell: The (row, column) of the channel's map, or one for each image, `(N, 2)`; 'strongest' takes for each image
            the cell that fires most, 'sum' the whole map.
        rule: 'backprop', 'deconvnet' or 'guided', or a function of the arriving gradient and the ReLU's input.

    Returns:
        `(N, 3, H, W)`, signed, in units of the neuron for each unit of brightness. No image of the batch depends on
        another, and nothing is left behind on the network or the images.

    Raises:
        LookupError: A layer or a rule that does not exist.
        ValueError: A channel or cell that the layer does not have; the message says what it has.

    Example:
        >>> picture = gradient(net, photo, "relu6", channel=12, rule="guided")
    """
    x = images.detach().clone().requires_grad_(True)
    with torch.enable_grad(), relu_rule(net, rule):
        output = net(x) if layer is None else read(net, x, [layer], grad=True)[layer]
        neurons = _neurons(_channel(_maps(output, layer), layer, channel), cell)
        return torch.autograd.grad(neurons.sum(), x)[0]


@torch.no_grad()
def strongest_cells(net: Network, images: Tensor, layer: str, channel: Channel) -> Tensor:
    """The (row, column) at which a channel fires most on each image, `(N, 2)`; the first of several equal ones."""
    maps = _maps(read(net, images, [layer])[layer], layer)
    return _strongest(_channel(maps, layer, channel))


def _maps(output: Tensor, layer: str | None) -> Tensor:
    """The output as `(N, C, h, w)`: the numbers `(N, C)` of a linear layer are maps of a single cell."""
    if output.ndim not in (2, 4):
        raise ValueError(
            f"layer {layer!r} gives shape {tuple(output.shape)}, expected (N, C, h, w) or (N, C): take another"
        )
    return output if output.ndim == 4 else output[:, :, None, None]


def _channel(maps: Tensor, layer: str | None, channel: Channel) -> Tensor:
    """The map `(N, h, w)` of the channel that was asked for in each image."""
    place = "the logits" if layer is None else f"layer {layer!r}"
    return maps[range(len(maps)), one_for_each(channel, *maps.shape[:2], "channel", place)]


def _neurons(chosen: Tensor, cell: Cell) -> Tensor:
    """The value `(N,)` of the neuron, or of the sum of neurons, that was asked for in each image."""
    if isinstance(cell, str) and cell == "sum":
        return chosen.sum((1, 2))
    cells = _strongest(chosen) if isinstance(cell, str) and cell == "strongest" else _cells(chosen, cell)
    return chosen[range(len(chosen)), cells[:, 0], cells[:, 1]]


def _strongest(chosen: Tensor) -> Tensor:
    width = chosen.shape[2]
    places = chosen.detach().flatten(1).argmax(1)
    return torch.stack([places // width, places % width], 1)


def _cells(chosen: Tensor, cell: Cell) -> Tensor:
    """A (row, column) for each image, `(N, 2)`, of maps `(N, h, w)`."""
    n, height, width = chosen.shape
    cells = None if isinstance(cell, str) else torch.as_tensor(cell, device=chosen.device)
    if cells is None or cells.is_floating_point() or cells.shape not in [(2,), (1, 2), (n, 2)]:
        raise ValueError(f"cell = {cell!r}: expected (row, column), one for each of the {n} images, 'strongest', 'sum'")
    if (cells < 0).any() or (cells >= torch.tensor([height, width], device=cells.device)).any():
        raise ValueError(f"cell = {cell!r}: this layer's maps have {height} rows and {width} columns, counted from 0")
    return cells.expand(n, 2).long()


# --- numbers behind the pictures ------------------------------------------------------------------------------------


def energy_inside(gradients: Tensor, box: Box) -> Tensor:
    """The share `(N,)` of each gradient's energy (sum of squares) that lies in a box; 0 for a gradient of zeros.

    Args:
        gradients: `(N, 3, H, W)`.
        box: In pixels. In the neuron's receptive field the share is exactly 1.
    """
    energy = gradients.square().sum(1)
    inside, total = Box(*box).of(energy).sum((1, 2)), energy.sum((1, 2))
    return torch.where(total > 0, inside / total, torch.zeros_like(total))


def concentration(gradients: Tensor, share: float = 0.9) -> Tensor:
    """The share `(N,)` of the pixels that hold most of the energy: small for a few sharp lines, large for noise.

    Pixels are counted from the strongest down until they hold `share` of the sum of squares; 0 for a gradient of zeros.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share = {share}: expected more than 0 and at most 1")
    energy = gradients.square().sum(1).flatten(1).double().sort(1, descending=True).values
    held = energy.cumsum(1)
    missing = (held < share * held[:, -1:]).sum(1)
    return torch.where(held[:, -1] > 0, (missing + 1) / energy.shape[1], 0.0)


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """How alike two gradients `(N, 3, H, W)` of the same images are: the cosine of their angle, `(N,)` in [-1, 1].

    1: the same picture up to its strength; 0: nothing in common, or one of the two is zero.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected gradients of one shape, got {tuple(first.shape)} and {tuple(second.shape)}")
    return F.cosine_similarity(first.flatten(1), second.flatten(1))
