"""A classifier that takes images in [0, 1], knows its class names, and has its layers under their usual names."""

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
    """One class that a network predicts: its name, its probability in [0, 1], and its index among the K classes."""

    name: str
    probability: float
    index: int


class Network(nn.Module):
    """A classifier that owns its preprocessing: images in [0, 1] go in, logits come out.

    Args:
        module: The bare classifier, from normalised images `(N, 3, H, W)` to logits `(N, K)`. It is used as it is,
            not copied: it is put in eval mode, its parameters are frozen, and its weights become channels_last, which
            is fast on a CPU.
        mean, std: The mean and standard deviation for normalisation, one for each of R, G and B, in units of [0, 1].
        classes: The K class names; None stands for 'class 0' and so on.
        name: The name shown in pickers and messages; None takes the name of the module's class.
        input_size: The side, in pixels, of the images that the network was made for.
        min_size: The smallest height and width, in pixels, that it accepts.
        layers: Layer name -> module; None takes `layer_names(module)`.

    Attributes:
        layers: An ordered mapping from layer names ('conv1', 'relu3_2', 'fc6') to modules.

    Raises:
        ValueError: `mean` or `std` is not three numbers in [0, 1], or `std` has a zero.
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
        """The device that the network runs on."""
        return self.mean.device

    def forward(self, images: Tensor) -> Tensor:
        """The logits `(N, K)` of images `(N, 3, H, W)` in [0, 1], which may be on any device.

        Raises:
            TypeError: `images` is not a floating-point tensor, or is of higher precision than the network.
            ValueError: The images have the wrong shape, are too small, or are clearly not in [0, 1].
        """
        self._check(images)
        with QuickPixelGradients() if images.requires_grad and self._strides else nullcontext():
            return self.module(self.normalize(images))

    def normalize(self, images: Tensor) -> Tensor:
        """The input of `module`: images `(N, 3, H, W)` in [0, 1], minus the mean, divided by the standard deviation."""
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
        # Optimisation may leave [0, 1] a little; images in 0..255 and normalised ones lie well outside these bounds.
        if not (low >= -0.5 and high <= 1.5):
            raise ValueError(
                f"{self.name} takes images in [0, 1] and normalises them itself, got {low:.3g} to {high:.3g}"
            )

    @torch.no_grad()
    def predict(self, images: Tensor, k: int = 5) -> list[list[Prediction]]:
        """The k most probable classes of each image, the most probable first.

        Args:
            images: `(N, 3, H, W)` in [0, 1]; `vizlib.images.prepare` brings an image to `input_size`.
            k: How many classes, 1 to K.

        Returns:
            For each of the N images a list of k `Prediction(name, probability, index)`.

        Raises:
            TypeError, ValueError: The network cannot take these images; see `forward`.
            ValueError: k is out of range, or there are not K class names.
        """
        probabilities = self(images).softmax(1)
        count = probabilities.shape[1]
        if not isinstance(k, int) or not 1 <= k <= count:
            raise ValueError(
                f"k = {k!r}: expected a whole number from 1 to {count}, the number of classes of {self.name}"
            )
        if self.classes is not None and len(self.classes) != count:
            raise ValueError(
                f"{self.name} has {count} outputs and {len(self.classes)} class names; give one name for each output"
            )
        names = self.classes or [f"class {index}" for index in range(count)]
        tops = probabilities.topk(k)
        return [
            [Prediction(names[i], p, i) for p, i in zip(*row, strict=True)]
            for row in zip(tops.values.tolist(), tops.indices.tolist(), strict=True)
        ]

    def class_indices(self, target: Target, logits: Tensor) -> Tensor:
        """The index of the target class for each image, `(N,)` int64: every method that takes a class reads it so.

        Args:
            target: A class name or an index, for all images; a list of names or indices, or an array or tensor of
                indices, one for each image; or None for the class that the network predicts.
            logits: The network's output for the images, `(N, K)`.

        Raises:
            LookupError: A name is not among the classes; the message suggests the nearest.
            ValueError: An index is outside 0 … K - 1 or not a whole number, or there are neither one nor N targets.

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
        """The index of the class with this name.

        Raises:
            LookupError: There is no such class; the message suggests the nearest.
        """
        if self.classes and name in self.classes:
            return self.classes.index(name)
        raise LookupError(
            f"class {name!r} is not among the classes of {self.name}{did_you_mean(name, self.classes or [])}"
        )
