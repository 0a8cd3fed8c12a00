"""Which pixels matter to one neuron: its gradient with respect to the image, under three backward rules for ReLUs.

In the forward pass a ReLU lets positive values through. In the backward pass it lets the gradient through

- `backprop`: where the ReLU's input was positive. This is the true gradient (Simonyan et al. 2014).
- `deconvnet`: where the gradient is positive, whatever the input was (Zeiler and Fergus 2014).
- `guided`: where both are positive (Springenberg et al. 2015), so every ReLU drops what would lower the neuron.

The last two are not the gradient of any function; they are visualisations. The rules are in `hooks.RELU_RULES`.
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
    """The gradient of one neuron of each image with respect to the pixels, under a backward rule for every ReLU.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        layer: A name in `net.layers` whose output is `(N, C, h, w)` or `(N, C)`; None takes the logits.
        channel: One of the C channels (for the logits, a class) for all images, or one for each image.
        cell: The (row, column) in the channel's feature map, or one for each image, `(N, 2)`; 'strongest' takes the
            cell that fires most in each image, and 'sum' the sum over the whole map.
        rule: 'backprop', 'deconvnet' or 'guided', or a function `(gradient, slope) -> gradient`; see `hooks.relu_rule`.

    Returns:
        `(N, 3, H, W)`, signed, in units of the activation per unit of brightness. The images of a batch do not affect
        each other, and neither they nor the network keep a gradient.

    Raises:
        LookupError: The layer or the rule does not exist.
        ValueError: The layer has no such channel or cell, or its output has another shape; the message says what it
            has. Or the network has no ReLU that the rule could change; see `hooks.relu_rule`.

    Example:
        >>> picture = gradient(net, photo, "relu6", channel=12, rule="guided")
    """
    x = images.detach().clone().requires_grad_(True)
    with torch.enable_grad(), relu_rule(net, rule) as caught:
        output = net(x) if layer is None else read(net, x, [layer], grad=True)[layer]
        if not caught["relu"] and layer is not None:  # no ReLU so far: is there any at all?
            with torch.no_grad():
                net(x[:1])
        neurons = _neurons(_channel(_maps(output, layer), layer, channel), cell)
        return torch.autograd.grad(neurons.sum(), x)[0]


@torch.no_grad()
def strongest_cells(net: Network, images: Tensor, layer: str, channel: Channel) -> Tensor:
    """The (row, column) at which a channel fires most on each image, `(N, 2)`; of several equal cells, the first.

    Raises:
        LookupError: The layer does not exist.
        ValueError: The layer has no such channel, or its output is neither `(N, C, h, w)` nor `(N, C)`.
    """
    maps = _maps(read(net, images, [layer])[layer], layer)
    return _strongest(_channel(maps, layer, channel))


def _maps(output: Tensor, layer: str | None) -> Tensor:
    """The output as `(N, C, h, w)`; the output `(N, C)` of a linear layer becomes maps of a single cell."""
    if output.ndim not in (2, 4):
        raise ValueError(
            f"layer {layer!r} gives shape {tuple(output.shape)}, expected (N, C, h, w) or (N, C): choose another layer"
        )
    return output if output.ndim == 4 else output[:, :, None, None]


def _channel(maps: Tensor, layer: str | None, channel: Channel) -> Tensor:
    """The feature map of the chosen channel of each image, `(N, h, w)`."""
    place = "the logits" if layer is None else f"layer {layer!r}"
    return maps[range(len(maps)), one_for_each(channel, *maps.shape[:2], "channel", place)]


def _neurons(chosen: Tensor, cell: Cell) -> Tensor:
    """The value of the chosen neuron, or the sum of the neurons, of each image, `(N,)`."""
    if isinstance(cell, str) and cell == "sum":
        return chosen.sum((1, 2))
    cells = _strongest(chosen) if isinstance(cell, str) and cell == "strongest" else _cells(chosen, cell)
    return chosen[range(len(chosen)), cells[:, 0], cells[:, 1]]


def _strongest(chosen: Tensor) -> Tensor:
    width = chosen.shape[2]
    places = chosen.detach().flatten(1).argmax(1)
    return torch.stack([places // width, places % width], 1)


def _cells(chosen: Tensor, cell: Cell) -> Tensor:
    """The chosen (row, column) in each of the maps `(N, h, w)`, as `(N, 2)` int64."""
    n, height, width = chosen.shape
    cells = None if isinstance(cell, str) else torch.as_tensor(cell, device=chosen.device)
    if cells is None or cells.is_floating_point() or cells.shape not in [(2,), (1, 2), (n, 2)]:
        raise ValueError(f"cell = {cell!r}: expected (row, column), one for each of the {n} images, 'strongest', 'sum'")
    if (cells < 0).any() or (cells >= torch.tensor([height, width], device=cells.device)).any():
        raise ValueError(f"cell = {cell!r}: this layer's maps have {height} rows and {width} columns, counted from 0")
    return cells.expand(n, 2).long()


# --- numbers behind the pictures ------------------------------------------------------------------------------------


def energy_inside(gradients: Tensor, box: Box) -> Tensor:
    """The share of each gradient's energy (sum of squares) inside a box, `(N,)` in [0, 1]; 0 for a gradient of zeros.

    Args:
        gradients: `(N, 3, H, W)`.
        box: A box in pixels. For the receptive field of the neuron the share is exactly 1.
    """
    energy = gradients.square().sum(1)
    inside, total = Box(*box).of(energy).sum((1, 2)), energy.sum((1, 2))
    return torch.where(total > 0, inside / total, torch.zeros_like(total))


def concentration(gradients: Tensor, share: float = 0.9) -> Tensor:
    """The share of the pixels that hold most of a gradient's energy, `(N,)`: small for a few lines, large for noise.

    Args:
        gradients: `(N, 3, H, W)`.
        share: How much of the energy (the sum of squares). Pixels are counted from the strongest down until they
            hold that much; a gradient of zeros gives 0.

    Raises:
        ValueError: `share` is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share = {share}: expected more than 0 and at most 1")
    energy = gradients.square().sum(1).flatten(1).double().sort(1, descending=True).values
    held = energy.cumsum(1)
    missing = (held < share * held[:, -1:]).sum(1)
    return torch.where(held[:, -1] > 0, (missing + 1) / energy.shape[1], 0.0)


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """The cosine similarity of two gradients `(N, 3, H, W)` of the same images, `(N,)` in [-1, 1].

    It is 1 if they are the same up to a positive factor, and 0 if they have nothing in common or one of them is zero.

    Raises:
        ValueError: The gradients differ in shape.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected gradients of the same shape, got {tuple(first.shape)} and {tuple(second.shape)}")
    return F.cosine_similarity(first.flatten(1), second.flatten(1))
