"""The blur and the sheet are those of torchvision, which they do without."""

import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur
from torchvision.utils import make_grid

from vizlib import images


@pytest.mark.parametrize(("sigma", "reach"), [(0.5, 2), (1.0, (3, 3)), (3.0, (9, 4)), (12.0, (19, 23))])
def test_the_blur_is_that_of_torchvision(sigma, reach):
    down, across = (reach, reach) if isinstance(reach, int) else reach
    some = torch.rand(2, 3, 20, 24)
    theirs = gaussian_blur(some, [2 * across + 1, 2 * down + 1], [sigma] * 2)
    torch.testing.assert_close(images.gaussian_blur(some, sigma, reach), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("number", "columns", "gap"), [(1, 4, 2), (3, 4, 2), (8, 4, 2), (7, 3, 4)])
def test_the_sheet_is_that_of_torchvision(number, columns, gap):
    some = torch.rand(number, 3, 6, 9)
    assert torch.equal(images.sheet(some, columns, gap)[0], make_grid(some, columns, padding=gap, pad_value=1))
