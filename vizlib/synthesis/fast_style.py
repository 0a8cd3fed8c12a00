"""Fast style transfer: a network learns to paint, so that every further picture takes one forward pass, not minutes.

    StyleNet: photo -> picture, trained so that   content(picture, photo) + style(picture, painting)   is small

The network is small: a convolution, two more with stride 2, a few residual blocks, "enlarge, then convolve" twice, and
a last convolution; all but the last are followed by an instance normalisation. One network paints in many styles: they
share all convolutions, and each style has its own scales and shifts in the normalisations. Blending two styles means
blending those numbers.

Papers: Johnson et al. 2016 (the network and its loss), Ulyanov et al. 2016 (instance normalisation), Dumoulin et al.
2017 (many styles), Odena et al. 2016 (enlarge, then convolve: no checkerboard).
"""

import json
from collections.abc import Mapping, Sequence

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from vizlib import assets, images
from vizlib.compute import default_device
from vizlib.models.choosing import as_integer

BUNDLED = ("one_style", "many_styles")
MAX_PIXELS = 1_000_000  # larger photos are reduced to this many; the feature maps then take about 0.8 GB
SMALLEST = 16  # pixels; a shorter side is padded by repeating the edge, and the result is cropped again


# --- the network ----------------------------------------------------------------------------------------------------


class StyleNorm(nn.Module):
    """Normalise every feature map to mean 0 and variance 1, then apply the scale and shift of the style.

    Args:
        channels: C, the number of feature maps.
        styles: S, the number of styles; each has its own C scales and shifts.
        norm: 'instance' takes the mean and variance of one map of one image, which removes the photo's own contrast
            before the style's is applied; 'batch' takes those of the whole batch in training, and running averages
            otherwise.

    Shape: from maps `(N, C, h, w)` and style weights `(N, S)`, which sum to 1, to maps `(N, C, h, w)`.

    Papers: Ulyanov et al. 2016, eq. 3; Dumoulin et al. 2017, eq. 5.
    """

    def __init__(self, channels: int, styles: int = 1, norm: str = "instance"):
        super().__init__()
        if norm not in ("instance", "batch"):
            raise ValueError(f"norm is {norm!r}, expected 'instance' or 'batch'")
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))
        self.batch = nn.BatchNorm2d(channels, affine=False) if norm == "batch" else None

    def forward(self, maps: Tensor, weights: Tensor) -> Tensor:
        """The normalised maps, in the styles of the weights; for the shapes see the class."""
        if self.batch is None:
            maps = maps - maps.mean((2, 3), keepdim=True)
            maps = maps * torch.rsqrt(maps.square().mean((2, 3), keepdim=True) + 1e-5)
        else:
            maps = self.batch(maps)
        scale, shift = weights @ self.scale, weights @ self.shift
        return maps * scale[:, :, None, None] + shift[:, :, None, None]


class Layer(nn.Module):
    """A convolution with reflected borders, the normalisation, and a ReLU unless `relu` is off."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, styles: int, norm: str, relu: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")
        self.norm, self.relu = StyleNorm(outputs, styles, norm), relu

    def forward(self, maps: Tensor, weights: Tensor) -> Tensor:
        """From maps `(N, inputs, h, w)` and style weights `(N, S)` to maps with `outputs` channels."""
        maps = self.norm(self.conv(maps), weights)
        return F.relu(maps) if self.relu else maps


class StyleNet(nn.Module):
    """A network that takes photos and returns painted pictures of the same size.

    Args:
        styles: The names of the S styles.
        width: Number of channels at full resolution; there are twice as many at half of it, four times at a quarter.
        blocks: Number of residual blocks, which work at a quarter of the resolution.
        norm: 'instance' or 'batch', see `StyleNorm`.

    Shape: from images `(N, 3, H, W)` in [0, 1], of any size, and style weights `(N, S)` (None is the first style) to
    images `(N, 3, H, W)` in [0, 1].

    Paper: Johnson et al. 2016, with fewer channels.
    """

    def __init__(self, styles: Sequence[str] = ("style",), width: int = 16, blocks: int = 5, norm: str = "instance"):
        super().__init__()
        self.styles, self.facts = list(styles), {}
        self.config = {"styles": self.styles, "width": width, "blocks": blocks, "norm": norm}
        rest, deep = (len(self.styles), norm), 4 * width
        self.down = nn.ModuleList(
            [Layer(3, width, 7, 1, *rest), Layer(width, 2 * width, 3, 2, *rest), Layer(2 * width, deep, 3, 2, *rest)]
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList([Layer(deep, deep, 3, 1, *rest), Layer(deep, deep, 3, 1, *rest, relu=False)])
            for _ in range(blocks)
        )
        self.up = nn.ModuleList([Layer(deep, 2 * width, 3, 1, *rest), Layer(2 * width, width, 3, 1, *rest)])
        self.last = nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect")
        self.to(memory_format=torch.channels_last)

    def forward(self, photos: Tensor, weights: Tensor | None = None) -> Tensor:
        """The painted photos; for the shapes see the class."""
        weights = self.only(0) if weights is None else weights.to(photos.device)
        weights = weights.expand(len(photos), -1)
        maps, sizes = _padded(2 * photos - 1).contiguous(memory_format=torch.channels_last), []
        for layer in self.down:
            maps = layer(maps, weights)
            sizes.append(maps.shape[2:])
        for first, second in self.blocks:
            maps = maps + second(first(maps, weights), weights)
        for layer, size in zip(self.up, reversed(sizes[:-1]), strict=True):
            maps = layer(F.interpolate(maps, size=tuple(size), mode="nearest"), weights)
        return torch.sigmoid(self.last(maps))[..., : photos.shape[2], : photos.shape[3]]

    def only(self, style: int | str) -> Tensor:
        """The weights `(1, S)` of a single style, by its index or its name."""
        index = as_integer(style)
        return self.blend({style if index is None else self.styles[index]: 1.0})

    def blend(self, shares: Mapping[str, float]) -> Tensor:
        """The weights `(1, S)` of a blend, from the share of each style by name, scaled to sum to 1.

        Raises:
            LookupError: The network has not learnt one of the styles.
            ValueError: A share is negative or not finite, or none is above zero.
        """
        weights = torch.zeros(1, len(self.styles), device=self.last.weight.device)
        for name, share in shares.items():
            if name not in self.styles:
                known = ", ".join(self.styles)
                raise LookupError(
                    f"style {name!r} is unknown{assets.did_you_mean(name, self.styles)}; this net has {known}"
                )
            if not 0 <= share < float("inf"):
                raise ValueError(f"the share of style {name!r} is {share}, expected a number of at least 0")
            weights[0, self.styles.index(name)] = share
        if weights.sum() == 0:
            raise ValueError(f"the shares {dict(shares)} sum to zero: give at least one style a share above 0")
        return weights / weights.sum()


def _padded(photos: Tensor) -> Tensor:
    """The photos, padded to at least `SMALLEST` pixels a side by repeating the edge, to have enough to reflect."""
    missing = [max(0, SMALLEST - side) for side in photos.shape[2:]]
    return F.pad(photos, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else photos


# --- the nets that come with vizlib ---------------------------------------------------------------------------------


def load(name: str = "many_styles", device: torch.device | str | None = None) -> StyleNet:
    """A trained net, ready to use: `net.styles` names its styles, and `net.facts` tells how it was trained.

    Args:
        name: One of `BUNDLED`, or the path of a file written by `scripts/train_fast_style.py`.
        device: None takes the best device available.

    Raises:
        LookupError: The name is unknown.
        AssetError: The file is missing, damaged, or not one that the training script wrote.
        ValueError: The weights do not fit the network that the file describes, or the device is not available.
    """
    is_file = str(name).endswith(".safetensors")
    if name not in BUNDLED and not is_file:
        raise LookupError(
            f"style net {name!r} is unknown{assets.did_you_mean(name, BUNDLED)}; there are {', '.join(BUNDLED)}"
        )
    path = name if is_file else assets.data_path(f"{name}.safetensors")
    state = assets.load_state_dict(path)
    with safe_open(path, "pt") as file:
        facts = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
    if "config" not in facts:
        raise assets.AssetError(
            f"{path} does not say which network it belongs to: expected a file written by scripts/train_fast_style.py"
        )
    net = StyleNet(**facts.pop("config"))
    try:
        net.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} does not hold the weights of the network that it describes: {error}") from error
    net.facts = facts
    net.requires_grad_(False).eval()
    try:
        return net.to(device or default_device())
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} cannot be used here ({error}); try 'cpu' or leave it out") from error


@torch.no_grad()
def stylize(
    net: StyleNet, photo: Tensor, style: str | Mapping[str, float] | None = None, max_pixels: int = MAX_PIXELS
) -> Tensor:
    """A photo painted in a style, in one forward pass.

    Args:
        net: See `load`.
        photo: `(N, 3, H, W)` in [0, 1]. Sides below `SMALLEST` pixels are padded for the network, and the picture is
            cropped again.
        style: One of `net.styles`, or shares of several, such as `{"wave": 0.7, "mosaic": 0.3}`; None is the first.
        max_pixels: A photo with more pixels is reduced to this many first, and so is the picture.

    Returns:
        `(N, 3, H, W)` in [0, 1].

    Raises:
        ImageError, TypeError: `photo` is not an image.
        LookupError, ValueError: See `StyleNet.blend`; or `max_pixels` is below 1.
    """
    images.check(photo, "photo")
    if max_pixels < 1:
        raise ValueError(f"max_pixels is {max_pixels}, expected at least 1")
    height, width = photo.shape[2:]
    if height * width > max_pixels:
        shrink = (max_pixels / (height * width)) ** 0.5
        photo = images.resize(photo, (max(1, int(height * shrink)), max(1, int(width * shrink))))
    weights = net.blend(style) if isinstance(style, Mapping) else net.only(0 if style is None else style)
    return net(photo.to(net.last.weight.device), weights)
