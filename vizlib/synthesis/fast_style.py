"""Optimising one picture takes minutes. Train a network to do it, and every further picture is one forward pass.

    StyleNet: photo -> picture, trained so that   content(picture, photo) + style(picture, painting)   is small

The network is small: two convolutions of stride 2, a few residual blocks, twice "enlarge, then convolve", and an
instance normalisation after each. One network paints in many styles: they share every convolution, and each has its
own scale and shift in the normalisations. A blend of two styles is a blend of those numbers.

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

BUNDLED = ("one_style", "many_styles")
MAX_PIXELS = 1_000_000  # a larger photo is reduced to so many: about 0.8 GB of maps
SMALLEST = 16  # pixels; a shorter side is padded by repeating the edge, and cut again


# --- the network ----------------------------------------------------------------------------------------------------


class StyleNorm(nn.Module):
    """Bring every map to mean 0 and variance 1, then give it the scale and shift of the style.

    Args:
        channels: C.
        styles: S; each has its own C scales and shifts.
        norm: 'instance' takes mean and variance over one map of one image, so the photo's own contrast is gone before
            the style's comes; 'batch' takes them over all images of the batch, and when not training, running averages.

    Shape: maps `(N, C, h, w)` and weights of the styles `(N, S)`, which sum to 1, to maps `(N, C, h, w)`.

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
        if self.batch is None:
            maps = maps - maps.mean((2, 3), keepdim=True)
            maps = maps * torch.rsqrt(maps.square().mean((2, 3), keepdim=True) + 1e-5)
        else:
            maps = self.batch(maps)
        scale, shift = weights @ self.scale, weights @ self.shift
        return maps * scale[:, :, None, None] + shift[:, :, None, None]


class Layer(nn.Module):
    """A convolution with reflected edges, the normalisation, and a ReLU unless it is left out."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, styles: int, norm: str, relu: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")
        self.norm, self.relu = StyleNorm(outputs, styles, norm), relu

    def forward(self, maps: Tensor, weights: Tensor) -> Tensor:
        maps = self.norm(self.conv(maps), weights)
        return F.relu(maps) if self.relu else maps


class StyleNet(nn.Module):
    """Photos in, pictures out, of the same size.

    Args:
        styles: The names of the S styles.
        width: Channels at full resolution; twice as many at half of it, four times at a quarter.
        blocks: Residual blocks, at a quarter of the resolution.
        norm: 'instance' or 'batch', see `StyleNorm`.

    Shape: images `(N, 3, H, W)` in [0, 1], of any size, and weights `(N, S)` to images `(N, 3, H, W)` in [0, 1].

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
        """The weights `(1, S)` of one style, by its number or its name."""
        return self.blend({self.styles[style] if isinstance(style, int) else style: 1.0})

    def blend(self, shares: Mapping[str, float]) -> Tensor:
        """The weights `(1, S)` of a blend: shares of styles by name, brought to a sum of 1.

        Raises:
            LookupError: A style that the network has not learnt.
            ValueError: A share below zero or not finite, or none above zero.
        """
        weights = torch.zeros(1, len(self.styles), device=self.last.weight.device)
        for name, share in shares.items():
            if name not in self.styles:
                known = ", ".join(self.styles)
                raise LookupError(
                    f"style {name!r} is unknown{assets.did_you_mean(name, self.styles)}; this net has {known}"
                )
            if not 0 <= share < float("inf"):
                raise ValueError(f"the share of style {name!r} is {share}, expected a number from 0 on")
            weights[0, self.styles.index(name)] = share
        if weights.sum() == 0:
            raise ValueError(f"the shares {dict(shares)} sum to zero: give at least one style a share above 0")
        return weights / weights.sum()


def _padded(photos: Tensor) -> Tensor:
    """Reflection needs an edge to reflect: images shorter than `SMALLEST` pixels get more by repeating theirs."""
    missing = [max(0, SMALLEST - side) for side in photos.shape[2:]]
    return F.pad(photos, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else photos


# --- the nets that come with vizlib ---------------------------------------------------------------------------------


def load(name: str = "many_styles", device: torch.device | str | None = None) -> StyleNet:
    """A trained net, ready to use: `net.styles` are the names of its styles, `net.facts` how it was trained.

    Args:
        name: One of `BUNDLED`, or the path of a file that `scripts/train_fast_style.py` wrote.
        device: None takes the best there is.

    Raises:
        LookupError: Unknown name.
        AssetError: The file is missing or damaged.
        ValueError: Weights that do not fit the network that the file describes, or a device that is not there.
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
        raise assets.AssetError(f"{path} does not say what network it is of: scripts/train_fast_style.py writes such")
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
    """A photo in the manner of a style, in one pass.

    Args:
        net: See `load`.
        photo: `(N, 3, H, W)` in [0, 1]. With more than `max_pixels` pixels it is reduced to so many first, and so is
            the picture; sides below `SMALLEST` pixels are padded for the network, and cut again.
        style: A name among `net.styles`, or shares of several such as `{"wave": 0.7, "mosaic": 0.3}`; None is the
            first.

    Returns:
        `(N, 3, H, W)` in [0, 1].

    Raises:
        ImageError, TypeError: Not an image.
        LookupError, ValueError: See `StyleNet.blend`.
    """
    images.check(photo, "photo")
    if max_pixels < 1:
        raise ValueError(f"max_pixels is {max_pixels}, expected at least one")
    height, width = photo.shape[2:]
    if height * width > max_pixels:
        shrink = (max_pixels / (height * width)) ** 0.5
        photo = images.resize(photo, (max(1, int(height * shrink)), max(1, int(width * shrink))))
    weights = net.blend(style) if isinstance(style, Mapping) else net.only(0 if style is None else style)
    return net(photo.to(net.last.weight.device), weights)
