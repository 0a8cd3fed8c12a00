"""A Gaussian blur and a sheet of several images, as torchvision's, but without importing it.

Importing torchvision takes two to four seconds and 200 MB, which the first picture of a notebook would wait for.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_blur(images: Tensor, sigma: float, reach: int | tuple[int, int]) -> Tensor:
    """A Gaussian blur of images `(N, C, H, W)`; the border is reflected. As `gaussian_blur` of torchvision.

    Args:
        sigma: The standard deviation in pixels, above 0.
        reach: How far the kernel reaches on each side, in pixels, down and across; less than the height and the width.
    """
    weights = []
    for pixels in (reach, reach) if isinstance(reach, int) else reach:
        end = pixels / math.sqrt(2)
        places = torch.linspace(-end, end, 2 * pixels + 1, dtype=images.dtype, device=images.device)
        weights.append(torch.softmax(-((places / sigma) ** 2), 0))
    down, across = (len(w) // 2 for w in weights)
    channels = images.shape[1]
    kernel = (weights[0][:, None] * weights[1]).expand(channels, 1, -1, -1)
    padded = functional.pad(images, [across, across, down, down], mode="reflect")
    return functional.conv2d(padded, kernel, groups=channels)


def sheet(images: Tensor, columns: int, gap: int = 2) -> Tensor:
    """Images `(N, 3, H, W)` in rows of so many columns, white between and around them: `(1, 3, H', W')`.

    A single image stays as it is. As `make_grid` of torchvision.
    """
    number, channels, height, width = images.shape
    if number == 1:
        return images
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    board = images.new_ones(1, channels, rows * (height + gap) + gap, columns * (width + gap) + gap)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        board[0, :, top : top + height, left : left + width] = image
    return board
