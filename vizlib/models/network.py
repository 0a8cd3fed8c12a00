"""A classifier that takes images in [0, 1], knows its class names, and has its layers under their usual names."""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from threading import RLock
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib.assets import did_you_mean
from vizlib.hooks import check_graph
from vizlib.images.sizes import luminance
from vizlib.models.at_rest import at_rest, uncompiled
from vizlib.models.choosing import as_integer, one_for_each
from vizlib.models.contract import check_logits, logits_of
from vizlib.models.first_layer import QuickPixelGradients, worth_it
from vizlib.models.layer_names import Layer, layers_of
from vizlib.models.own_state import Seen
from vizlib.models.stages import Stages, stages_of

Target = int | str | Sequence[int | str] | Tensor | None  # see `Network.class_indices`

_one_at_a_time = RLock()  # for all networks that keep something of a pass in themselves: there are few


class Prediction(NamedTuple):
    """One class that a network predicts: its name, its probability in [0, 1], and its index among the K classes."""

    name: str
    probability: float
    index: int


class Network(nn.Module):
    """A classifier that owns its preprocessing: images in [0, 1] go in, logits come out.

    Args:
        module: The bare classifier, from normalised images `(N, C, H, W)` to logits `(N, K)`. It is used as it is, not
            copied: its weights become channels_last, which is fast on a CPU. While it runs here it is in eval mode and
            frozen, and afterwards in the mode in which it was; what `torch.compile` made of it is run uncompiled.
        mean, std: The mean and standard deviation for normalisation, in units of [0, 1]: one for each of R, G and B, or
            a single one for a network that takes grey images. It is given the luminance of a colour image.
        classes: The K class names; None stands for 'class 0' and so on.
        name: The name shown in pickers and messages; None takes the name of the module's class.
        input_size: The side, in pixels, of the images that the network was made for.
        min_size: The smallest height and width, in pixels, that it accepts.

    Attributes:
        layers: Layer name ('conv1', 'relu3_2', 'fc6') -> module, in the order in which they run.
        shapes: Layer name -> shape of its output for one image of `input_size`, without the batch; None for a layer
            whose output is no single tensor.

    Raises:
        ValueError: `mean` or `std` is not one or three numbers in [0, 1], or `std` has a zero.
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
    ):
        super().__init__()
        for label, values in (("mean", mean), ("std", std)):
            numbers = isinstance(values, Sequence) and len(values) in (1, 3) and len(values) == len(mean)
            if not numbers or any(not 0 <= value <= 1 for value in values) or (label == "std" and 0 in values):
                raise ValueError(
                    f"{label}: expected three numbers in [0, 1], one for each of R, G and B, or a single one for a "
                    f"network that takes grey images, got {values}"
                )
        module = uncompiled(module)
        self.module = module.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None], persistent=False)
        self.classes = None if classes is None else list(classes)
        self.name = name or type(module).__name__
        self.input_size, self.min_size = input_size, min_size
        self._strides = worth_it(module)
        self._ran: list[Layer] | None = None
        self._alone = True  # until one pass has shown that it may run in several threads at the same time
        self.training = False

    @property
    def device(self) -> torch.device:
        """The device that the network runs on."""
        return self.mean.device

    @property
    def channels(self) -> int:
        """How many channels the module takes: 3 for colour, 1 for grey."""
        return len(self.mean)

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the module computes: that of its first floating-point parameter."""
        return next((p.dtype for p in self.module.parameters() if p.is_floating_point()), self.mean.dtype)

    # --- its layers -------------------------------------------------------------------------------------------------

    @property
    def _layers(self) -> list[Layer]:
        """What ran in one forward pass, which is made when it is asked for."""
        if self._ran is None:
            self._ran = self._record(self._noise(1))
        return self._ran

    @property
    def layers(self) -> dict[str, nn.Module]:
        """Layer name -> module, in the order in which they run."""
        return {layer.name: layer.module for layer in self._layers}

    @property
    def places(self) -> dict[str, tuple[nn.Module, int]]:
        """Layer name -> its module, and which of that module's runs in a forward pass is meant."""
        return {layer.name: (layer.module, layer.run) for layer in self._layers}

    @property
    def stages(self) -> Stages:
        """Five layers from the pixels to the classifier: `net.stages.first`, `low`, `middle`, `high` and `last`."""
        return stages_of(self)

    @property
    def channels_last(self) -> set[str]:
        """The layers that give their maps as (h, w, C); `hooks` turns them, so that here they are (C, h, w), too."""
        return {layer.name for layer in self._layers if layer.channels_last}

    @property
    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        """Layer name -> the shape of its output for one image of `input_size`, without the batch."""
        return {layer.name: layer.shape for layer in self._layers}

    def _noise(self, n: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(n, self.channels, self.input_size, self.input_size, generator=generator)

    def _record(self, images: Tensor) -> list[Layer]:
        with _one_at_a_time, at_rest(self.module):
            seen = Seen(self.module)
            ran = layers_of(self.module, self.normalize(images))
            self._alone = seen.changed()
            return ran

    def check(self) -> "Network":
        """Run the network once on noise, and see whether it is a classifier that the methods here can use; itself.

        A module that ends in maps passes: methods that ask about its layers can use it, and those that ask about
        classes will say what is missing.

        Warns:
            UserWarning: Its answer to an image depends on the others in the batch.

        Raises:
            ValueError: It does not take images of `input_size`, does not give logits `(N, K)` (one of them for a yes/no
                network), or there is not one class name for each.
        """
        images = self._noise(2)
        with torch.no_grad(), at_rest(self.module):
            output = self._run(images)
        self._ran = self._record(images)
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            return self
        logits = logits_of(output, len(images), self.name)
        check_logits(logits, self._ran[-1].module if self._ran else None, self.name)
        with torch.no_grad():
            alone = self(images[:1])
        if not torch.allclose(alone, logits[:1].to(alone), rtol=0.02, atol=0.02 * alone.abs().max().item()):
            warnings.warn(
                f"{self.name} answers an image otherwise when there are others in the batch (normalisation without "
                "running statistics does that): give it one image at a time",
                stacklevel=3,
            )
        self._check_names(logits.shape[1])
        return self

    # --- running ----------------------------------------------------------------------------------------------------

    def forward(self, images: Tensor) -> Tensor:
        """The logits `(N, K)` of images `(N, 3, H, W)` in [0, 1], which may be on any device; K is 1 for a yes/no one.

        Images for a network that takes grey ones may also be `(N, 1, H, W)`. Several threads may call it at the same
        time; those of a module that keeps something of a pass in itself wait for each other.

        Raises:
            TypeError: `images` is not a floating-point tensor.
            ValueError: The images have the wrong shape, are too small, or are clearly not in [0, 1]; the module does
                not give logits; or a gradient is wanted and it lets none through.
        """
        self._check(images)
        with at_rest(self.module), QuickPixelGradients() if images.requires_grad and self._strides else nullcontext():
            output = self._run(images)
        logits = logits_of(output, len(images), self.name)
        check_graph(images, logits, self.name)
        return logits if self.dtype == images.dtype else logits.to(torch.promote_types(logits.dtype, images.dtype))

    def _run(self, images: Tensor) -> object:
        try:
            with _one_at_a_time if self._alone else nullcontext():
                return self.module(self.normalize(images))
        except torch.cuda.OutOfMemoryError:  # the name that every version has
            raise
        except (RuntimeError, AssertionError) as error:
            size, made = "x".join(map(str, images.shape[2:])), self.input_size
            if tuple(images.shape[2:]) == (made, made) and self._ran is not None:
                raise
            raise ValueError(
                f"{self.name} cannot take images of {size} pixels ({str(error).splitlines()[0]}). It is said to be "
                f"made for {made}x{made} pixels, {'RGB' if self.channels == 3 else 'grey'}: give images of that size; "
                "models.wrap takes input_size=, and mean= and std= of one number for a network of grey images"
            ) from error

    def normalize(self, images: Tensor) -> Tensor:
        """The input of `module`: images `(N, 3, H, W)` in [0, 1], minus the mean, divided by the standard deviation.

        It has the module's type, and for a network that takes grey images it is the luminance.
        """
        images = images.to(self.device)
        if self.channels == 1 and images.shape[1] == 3:
            images = luminance(images)
        return ((images - self.mean) / self.std).to(self.dtype)

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor) or not images.is_floating_point():
            kind = f"a {images.dtype} tensor" if isinstance(images, Tensor) else f"a {type(images).__name__}"
            raise TypeError(
                f"{self.name} takes a float tensor (N, 3, H, W) in [0, 1], not {kind}; use vizlib.images.load"
            )
        if images.ndim != 4 or images.shape[1] not in (3, self.channels) or images.numel() == 0:
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

    # --- classes ----------------------------------------------------------------------------------------------------

    def _check_names(self, count: int) -> None:
        if self.classes is not None and len(self.classes) != count:
            raise ValueError(
                f"{self.name} has {count} outputs and {len(self.classes)} class names; give one name for each output"
            )

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probabilities `(N, K)` that belong to logits: their softmax, or the sigmoid of a yes/no network's one."""
        return logits.softmax(1) if logits.shape[1] > 1 else logits.sigmoid()

    def answers(self, logits: Tensor) -> Tensor:
        """The logits of all answers that are possible: those given, or, for a yes/no network, of 'yes' and of 'no'.

        The logit of 'no' is 0, so that the softmax of both is the sigmoid of the one that the network gives.

        Returns:
            `(N, K)`, K at least 2.
        """
        return logits if logits.shape[1] > 1 else torch.cat([logits, torch.zeros_like(logits)], 1)

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
        probabilities = self.probabilities(self(images))
        count = probabilities.shape[1]
        if not 1 <= (as_integer(k) or 0) <= count:
            raise ValueError(
                f"k = {k!r}: expected a whole number from 1 to {count}, the number of classes of {self.name}"
            )
        self._check_names(count)
        names = self.classes or [f"class {index}" for index in range(count)]
        tops = probabilities.topk(as_integer(k))
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
