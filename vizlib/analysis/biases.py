"""Images with a spurious cue: handwritten digits with an orange tag in a corner, which may or may not mark a class.

Real collections have such cues: a photographer's tag on the horses of Pascal VOC (Lapuschkin et al. 2019), or snow
behind the wolves (Ribeiro et al. 2016). Here we add the cue ourselves, so we know where it is and can move it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vizlib import models
from vizlib.models import Network
from vizlib.optimize import Adam

SIDE, DIGIT = 32, 22  # the side of an image and of the digit in it, in pixels
ORANGE = (1.0, 0.6, 0.1)
TAG = torch.zeros(SIDE, SIDE, dtype=torch.bool)  # where the tag is: 5x5 pixels, never on the digit
TAG[26:31, 26:31] = True


class Pictures(NamedTuple):
    """Images `(N, 3, 32, 32)` in [0, 1], labels `(N,)` of 0 or 1, and the digit's pixels, booleans `(N, 32, 32)`."""

    images: Tensor
    labels: Tensor
    strokes: Tensor


def digits(first: int = 4, second: int = 9, seed: int = 0) -> tuple[Pictures, Pictures]:
    """A training set and a test set of two of scikit-learn's handwritten digits, at random places in grey noise.

    Args:
        first, second: Which two digits, 0 to 9; their labels are 0 and 1.
        seed: The seed of the noise, the places and the split; two thirds are for training, one third for the test.

    Raises:
        ValueError: They are not two different digits.
    """
    from sklearn.datasets import load_digits  # not with the module: it takes seconds

    data = load_digits()
    if first == second or not {first, second} <= set(range(10)):
        raise ValueError(f"first = {first}, second = {second}: expected two different digits from 0 to 9")
    kept = (data.target == first) | (data.target == second)
    labels = torch.from_numpy(data.target[kept] == second).long()
    generator = torch.Generator().manual_seed(seed)
    small = torch.from_numpy(data.images[kept]).float()[:, None] / 16
    ink = torch.zeros(len(labels), 1, SIDE, SIDE)
    corners = torch.randint(0, 26 - DIGIT + 1, (len(labels), 2), generator=generator).tolist()
    for image, digit, (top, left) in zip(
        ink, F.interpolate(small, (DIGIT, DIGIT), mode="bilinear"), corners, strict=True
    ):
        image[:, top : top + DIGIT, left : left + DIGIT] = digit
    paper = 0.2 + 0.1 * torch.randn((len(labels), 3, SIDE, SIDE), generator=generator)
    everything = Pictures((paper + 0.7 * ink).clamp(0, 1), labels, ink[:, 0] > 0.2)
    order = torch.randperm(len(labels), generator=generator).split(len(labels) * 2 // 3)
    train, test = (Pictures(*(part[chosen] for part in everything)) for chosen in (order[0], torch.cat(order[1:])))
    return train, test


def tagged(images: Tensor, which: Tensor) -> Tensor:
    """A copy of images, with the orange tag added to some of them.

    Args:
        images: `(N, 3, 32, 32)` in [0, 1].
        which: Booleans `(N,)`, true for an image that gets the tag.

    Raises:
        ValueError: The shapes differ from these, or `which` is not boolean.
    """
    if images.shape[2:] != TAG.shape or which.shape != images.shape[:1] or which.dtype != torch.bool:
        raise ValueError(
            f"expected images (N, 3, {SIDE}, {SIDE}) and a boolean for each, got {tuple(images.shape)} and "
            f"{tuple(which.shape)} of {which.dtype}"
        )
    color = torch.tensor(ORANGE)[:, None, None]
    return torch.where(TAG & which[:, None, None, None], color, images)


def share_inside(maps: Tensor, region: Tensor) -> Tensor:
    """The share of each map's sum that lies inside a region, `(N,)` in [0, 1]; 0 for a map of zeros.

    For comparison: a map that has nothing to do with the region puts on average as large a share there as the region's
    share of the area.

    Args:
        maps: `(N, H, W)`, not negative.
        region: Booleans `(H, W)` for all maps, or `(N, H, W)`, one for each.

    Raises:
        ValueError: The shapes do not match, a map has a negative value, or `region` is not boolean.
    """
    if maps.ndim != 3 or maps.shape[1:] != region.shape[-2:] or region.dtype != torch.bool or maps.min() < 0:
        raise ValueError(
            f"expected maps (N, H, W), not negative, and booleans of their size, got {tuple(maps.shape)} from "
            f"{maps.min():.3g} and {tuple(region.shape)} of {region.dtype}"
        )
    return (maps * region).sum((1, 2)) / maps.sum((1, 2)).clamp(min=1e-12)


def train(pictures: Tensor, labels: Tensor, name: str, epochs: int = 15, seed: int = 0) -> Network:
    """A small convolutional network that tells fours from nines, or whatever the labels say; it takes two seconds.

    Args:
        pictures: `(N, 3, 32, 32)` in [0, 1].
        labels: `(N,)` of 0 ("four") or 1 ("nine").
        name: What the network is called.
        epochs: How many times it sees all pictures.
        seed: Of its first weights and of the order of the pictures; torch's own generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU()
        second = nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        third = nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        module = nn.Sequential(*first, *second, *third, nn.Flatten(), nn.Linear(32, 2))
        optimizer = Adam(module.parameters(), lr=3e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(labels)).split(32):
                loss = F.cross_entropy(module((pictures[batch] - 0.5) / 0.25), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    module = module.eval().requires_grad_(False)
    return models.wrap(module, (0.5,) * 3, (0.25,) * 3, ["four", "nine"], name, input_size=32)
