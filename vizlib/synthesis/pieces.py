"""What the texture methods share: the windows of a sample, how much a result copied, how far two textures differ."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vizlib import images


def check_sample(sample: Tensor, window: int) -> None:
    """Raise unless `sample` is a single image that a window of this side fits into.

    Raises:
        ImageError, TypeError: It is not an image, it is several, or it is smaller than the window.
    """
    images.check_one(sample, "sample")
    height, width = sample.shape[2:]
    if min(height, width) < window:
        raise images.ImageError(
            f"the sample is {height}x{width} pixels, smaller than the window of {window}x{window}: "
            "take a larger sample or a smaller window"
        )


def windows(sample: Tensor, height: int, width: int) -> Tensor:
    """All windows of a sample `(1, C, H, W)`, as a grid `(H - height + 1, W - width + 1, C, height, width)`."""
    return sample[0].unfold(1, height, 1).unfold(2, width, 1).permute(1, 2, 0, 3, 4)


def copied_share(origin: Tensor) -> float:
    """The fraction of neighbouring pixels in a result that are neighbours in the sample as well: how much was copied.

    Args:
        origin: `(H, W, 2)` of at least two pixels: the row and column in the sample that each pixel was taken from.

    Returns:
        0 if no pixel was copied together with a neighbour; 1 for a plain copy.

    Raises:
        ValueError: There are fewer than two pixels.
    """
    down = origin[1:] - origin[:-1] == torch.tensor([1, 0])
    across = origin[:, 1:] - origin[:, :-1] == torch.tensor([0, 1])
    pairs = torch.cat([down.all(-1).flatten(), across.all(-1).flatten()])
    if not len(pairs):
        raise ValueError(f"origin has shape {tuple(origin.shape)}: expected (H, W, 2) with at least two pixels")
    return pairs.float().mean().item()


def source_map(origin: Tensor, height: int, width: int) -> Tensor:
    """A picture that says by colour where in the sample each pixel was copied from: `(1, 3, H, W)` in [0, 1].

    From left to right in the sample red grows, from top to bottom green, and blue falls with both; so a piece that was
    copied whole has smooth colours, and an edge in the map is a jump in the sample. `source_map(places(h, w), h, w)` is
    the key: the sample itself.

    Args:
        origin: `(H, W, 2)`: row and column in the sample; white where they are negative.
        height, width: The sample's.
    """
    down, across = origin[..., 0] / max(1, height - 1), origin[..., 1] / max(1, width - 1)
    colors = torch.stack([across, down, 1 - (across + down) / 2])
    return torch.where(origin[..., 0] < 0, torch.ones(()), colors)[None]


def places(height: int, width: int) -> Tensor:
    """Each pixel's own row and column, `(height, width, 2)`."""
    return torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1)


def patch_distance(image: Tensor, sample: Tensor, side: int = 8, directions: int = 256, seed: int = 0) -> float:
    """How much the patches of two images differ, wherever they lie: the sliced Wasserstein distance.

    All patches of each image are projected onto a random direction, and the two sets of numbers are sorted and
    compared. The result is the root mean square difference over many directions, in units of [0, 1] times `side`.

    Args:
        image, sample: `(1, 3, H, W)`, of any sizes not below `side`.
        side: Height and width of a patch, in pixels.
        directions: How many random directions to use.
        seed: Seeds the directions.

    Raises:
        ValueError: An image is smaller than a patch.

    Paper: Rabin et al. 2012.
    """
    for name, picture in (("image", image), ("sample", sample)):
        if min(picture.shape[2:]) < side:
            raise ValueError(
                f"{name} is {picture.shape[2]}x{picture.shape[3]}, too small for patches of {side}x{side}: "
                "take a larger image or a smaller side"
            )
    random = torch.randn(directions, 3, side, side, generator=torch.Generator().manual_seed(seed))
    random = random / random.flatten(1).norm(dim=1)[:, None, None, None]
    ends = (torch.arange(512) + 0.5) / 512
    quantiles = [torch.quantile(_thin(F.conv2d(x, random)[0].flatten(1)), ends, dim=1) for x in (image, sample)]
    return (quantiles[0] - quantiles[1]).square().mean().sqrt().item()


def _thin(values: Tensor, most: int = 16_384) -> Tensor:
    """Every k-th column, so that about `most` remain and sorting them stays quick."""
    return values[:, :: max(1, values.shape[1] // most)]
