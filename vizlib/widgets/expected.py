"""What exercises are checked against where vizlib has no such function; here, so that no page shows the solution."""

import torch
from torch import Tensor

from vizlib import hooks
from vizlib.analysis import neighbours
from vizlib.models import Network


def color_share(weight: Tensor) -> Tensor:
    """The share of colour in the energy of each filter `(F, 3, h, w)`, `(F,)`: what is left without its grey part."""
    gray = weight.mean(dim=1, keepdim=True)
    return (weight - gray).square().sum(dim=(1, 2, 3)) / weight.square().sum(dim=(1, 2, 3))


def cosine_precision(features: Tensor, labels: Tensor, k: int, leave_out: Tensor | None = None) -> float:
    """Precision at k for the cosine distance; the arguments are those of `neighbours.precision_at_k`."""
    return neighbours.precision_at_k(torch.nn.functional.normalize(features), labels, k, leave_out)


@torch.inference_mode()
def fall_without(net: Network, image: Tensor, layer: str, channels: Tensor) -> float:
    """By how much the logit of the network's answer falls when channels of a layer are silenced together."""
    keep = torch.ones(1, net.shapes[layer][0], 1, 1, device=net.device)
    keep[:, channels] = 0
    before = net(image)
    with hooks.override(net, {layer: lambda output: output * keep}):
        after = net(image)
    return (before.max() - after[0, before.argmax()]).item()


def probability_share(net: Network, image: Tensor, index: int) -> float:
    """How large the saliency of a class's probability is, as a share of that of its logit, both on the mean."""
    pixels = image.clone().requires_grad_()
    logits = net(pixels)
    scores = logits[0, index], logits.softmax(1)[0, index]
    of_logit, of_probability = (torch.autograd.grad(score, pixels, retain_graph=True)[0] for score in scores)
    return (of_probability.abs().amax(1).mean() / of_logit.abs().amax(1).mean()).item()


def strongest_channel(net: Network, image: Tensor, layer: str) -> int:
    """The channel of a layer's maps of one image that responds most, on the mean over places."""
    return hooks.read(net, image, [layer])[layer].mean((0, 2, 3)).argmax().item()


def winning_cells(maps: Tensor) -> Tensor:
    """Where each channel of maps `(N, C, h, w)` is largest: image, row and column, `(C, 3)`."""
    places = torch.unravel_index(maps.transpose(0, 1).flatten(1).argmax(1), maps[:, 0].shape)
    return torch.stack(places, 1)
