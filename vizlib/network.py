"""A classifier that takes images in [0, 1], knows its class names, and calls its layers what the field calls them."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib.first_layer import QuickPixelGradients, worth_it


class Prediction(NamedTuple):
    """One answer of a network: the class's name, its probability in [0, 1], and its index among the K classes."""

    name: str
    probability: float
    index: int


class Network(nn.Module):
    """A classifier that owns its preprocessing: images in [0, 1] go in, logits come out.

    Args:
        module: The bare classifier, from normalised images `(N, 3, H, W)` to logits `(N, K)`. It is used as it is,
            not copied: put in eval mode, its parameters frozen, its convolutions channels_last (fast on a CPU).
        mean, std: What the images are normalised with, per RGB channel, in units of [0, 1].
        classes: The K class names; None gives 'class 0' and so on.
        name: What pickers and messages call it.
        input_size: The image side in pixels that it does best on.
        min_size: The smallest height and width that it accepts.
        layers: Layer name -> module; None names them by `layer_names`.

    Attributes:
        layers: An ordered mapping from the field's layer names ('conv1', 'relu3_2', 'fc6') to modules.
    """

    def __init__(
        self,
        module: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        classes: Sequence[str] | None = None,
        name: str | None = None,
        input_size: int = 224,
        min_size: int = 1,
        layers: dict[str, nn.Module] | None = None,
    ):
        super().__init__()
        for label, values in (("mean", mean), ("std", std)):
            three = isinstance(values, Sequence) and len(values) == 3
            if not three or any(not 0 <= value <= 1 for value in values) or (label == "std" and 0 in values):
                raise ValueError(f"{label}: expected three numbers in [0, 1], one for each of R, G and B, got {values}")
        self.module = module.requires_grad_(False).to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None], persistent=False)
        self.classes = None if classes is None else list(classes)
        self.name = name or type(module).__name__
        self.input_size, self.min_size = input_size, min_size
        self.layers = layers or layer_names(module)
        self._strides = worth_it(module)
        self.eval()

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(N, K)` of images `(N, 3, H, W)` in [0, 1], which may be on any device.

        Raises:
            TypeError, ValueError: Not such images; the message says what to do.
        """
        self._check(images)
        with QuickPixelGradients() if images.requires_grad and self._strides else nullcontext():
            return self.module(self.normalise(images))

    def normalise(self, images: Tensor) -> Tensor:
        """What `module` gets to see: images in [0, 1], minus the mean, divided by the standard deviation."""
        return (images.to(self.device) - self.mean) / self.std

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor) or not images.is_floating_point():
            kind = f"a {images.dtype} tensor" if isinstance(images, Tensor) else f"a {type(images).__name__}"
            raise TypeError(
                f"{self.name} takes a float tensor (N, 3, H, W) in [0, 1], not {kind}; use vizlib.images.load"
            )
        if torch.promote_types(images.dtype, self.mean.dtype) != self.mean.dtype:
            raise TypeError(f"{self.name} takes {self.mean.dtype} images, got {images.dtype}; use images.float()")
        if images.ndim != 4 or images.shape[1] != 3 or images.numel() == 0:
            raise ValueError(f"{self.name} takes images of shape (N, 3, H, W), got {tuple(images.shape)}")
        if min(images.shape[2:]) < self.min_size:
            size = "x".join(map(str, images.shape[2:]))
            raise ValueError(
                f"{self.name} takes images of at least {self.min_size} pixels a side, got {size}; enlarge them"
            )
        low, high = (bound.item() for bound in images.detach().aminmax())
        if not (
            low >= -0.5 and high <= 1.5
        ):  # room for an optimiser to overstep; 0..255 and normalised images do not fit
            raise ValueError(
                f"{self.name} takes images in [0, 1] and normalises them itself, got {low:.3g} to {high:.3g}"
            )

    @torch.no_grad()
    def predict(self, images: Tensor, k: int = 5) -> list[list[Prediction]]:
        """The k most probable classes of each image, most probable first.

        Args:
            images: `(N, 3, H, W)` in [0, 1]; see `vizlib.images.prepare` for the size that suits.
            k: How many; at most K.

        Returns:
            For each of the N images a list of k `Prediction(name, probability, index)`.
        """
        probabilities = self(images).softmax(1)
        count = probabilities.shape[1]
        if not isinstance(k, int) or not 1 <= k <= count:
            raise ValueError(
                f"k = {k!r}: expected a whole number from 1 to {count}, the number of classes of {self.name}"
            )
        if self.classes is not None and len(self.classes) != count:
            raise ValueError(f"{self.name} has {count} outputs and {len(self.classes)} class names; give one name each")
        names = self.classes or [f"class {index}" for index in range(count)]
        tops = probabilities.topk(k)
        return [
            [Prediction(names[i], p, i) for p, i in zip(*row, strict=True)]
            for row in zip(tops.values.tolist(), tops.indices.tolist(), strict=True)
        ]

    def class_index(self, name: str) -> int:
        """The index of a class by its name.

        Raises:
            LookupError: No such class; the message names the nearest.
        """
        if self.classes and name in self.classes:
            return self.classes.index(name)
        raise LookupError(f"class {name!r} is not among those of {self.name}{nearest(name, self.classes or [])}")


def nearest(name: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(name), known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


# --- layer names ----------------------------------------------------------------------------------------------------


_KINDS = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "bn",
    nn.ReLU: "relu",
    nn.MaxPool2d: "pool",
    nn.AdaptiveAvgPool2d: "avgpool",
    nn.Linear: "fc",
}


def layer_names(module: nn.Module) -> dict[str, nn.Module]:
    """The layers of a network under the names the field uses, in the order they stand in the module.

    AlexNet and VGG are counted as in their papers (`conv1`, `relu3_2`, `pool5`, `fc6`), SqueezeNet's modules are
    `conv1`, `fire2` …; every other network goes by module path, `nn.Sequential` opened up ('layer1.0').
    Dropout and flatten do nothing to look at and are left out.
    """
    paths = {
        path: layer for path, layer in _opened(module) if not isinstance(layer, nn.Dropout | nn.Flatten | nn.Identity)
    }
    kind = type(module).__name__
    if kind == "VGG":
        names = _counted(paths.values(), blocks=True)
    elif kind == "AlexNet":
        names = _counted(paths.values(), blocks=False)
    elif kind == "SqueezeNet":
        names = _squeezenet(paths.values())
    else:
        names = [path.removeprefix("features.") if kind == "DenseNet" else path for path in paths]
    return dict(zip(names, paths.values(), strict=True))


def _opened(module: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    children: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        path = prefix + name
        children += _opened(child, path + ".") if type(child) is nn.Sequential else [(path, child)]
    return children


def _counted(layers: Iterable[nn.Module], blocks: bool) -> list[str]:
    """conv1 … conv5, pool5, fc6 … fc8; with `blocks`, conv1_1, relu1_1, conv1_2, relu1_2, pool1, conv2_1 …"""
    names, block, number, here = [], 1, 0, ""
    for layer in layers:
        kind = _KINDS[type(layer)]
        if kind == "conv":
            number += 1
            here = f"{block}_{number}" if blocks else f"{number}"
        elif kind == "fc":
            here = f"{block if blocks else number + 1}"
            block, number = block + 1, number + 1
        if kind == "pool":
            names.append(f"pool{block if blocks else number}")
            block, number = block + 1, 0 if blocks else number
        else:
            names.append(kind if kind == "avgpool" else kind + here)
    return names


def _squeezenet(layers: Iterable[nn.Module]) -> list[str]:
    """conv1, relu1, pool1, fire2 …, conv10, relu10, avgpool."""
    names, number = [], 0
    for layer in layers:
        kind = _KINDS.get(type(layer), "fire")
        number += kind in ("conv", "fire")
        names.append(kind if kind == "avgpool" else f"{kind}{number}")
    return names
