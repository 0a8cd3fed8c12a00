"""A classifier that takes images in [0, 1], knows its class names, and calls its layers what the field calls them."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib.assets import did_you_mean
from vizlib.models.choosing import one_for_each
from vizlib.models.first_layer import QuickPixelGradients, worth_it
from vizlib.models.layer_names import layer_names

Target = int | str | Sequence[int | str] | Tensor | None  # see `Network.class_indices`


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
            return self.module(self.normalize(images))

    def normalize(self, images: Tensor) -> Tensor:
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

    def class_indices(self, target: Target, logits: Tensor) -> Tensor:
        """Which class is meant for each image, `(N,)` int64: every method that asks for a class takes it like this.

        Args:
            target: A class name or an index, for all images; a list, array or tensor of them, one for each image; or
                None, the network's own answer to each image.
            logits: `(N, K)`, what the network says about the images.

        Raises:
            LookupError: A name that is not among the classes; the message names the nearest.
            ValueError: An index outside 0 … K - 1, something that is no index, or a number of targets that does not
                fit the images.

        Example:
            >>> net.class_indices(["teapot", 7], net(two_photos))
            tensor([162,   7])
        """
        if target is None:
            return logits.argmax(1)
        (n, count), place = logits.shape, f"the classes of {self.name}"
        if isinstance(target, str):
            target = self.class_index(target)
        elif isinstance(target, Sequence):
            target = [
                self.class_index(one) if isinstance(one, str) else int(one_for_each(one, 1, count, "target", place))
                for one in target
            ]
        return one_for_each(target, n, count, "target", place).to(logits.device)

    def class_index(self, name: str) -> int:
        """The index of a class by its name.

        Raises:
            LookupError: No such class; the message names the nearest.
        """
        if self.classes and name in self.classes:
            return self.classes.index(name)
        raise LookupError(f"class {name!r} is not among those of {self.name}{did_you_mean(name, self.classes or [])}")
