"""Loading the bundled networks and torchvision's by name, and wrapping the user's own, each as a `Network`."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from torch import Tensor, nn

from vizlib import assets
from vizlib.compute import default_device
from vizlib.models.miniresnet import MiniResNet
from vizlib.models.minivgg import MiniVGG
from vizlib.models.network import Network

if TYPE_CHECKING:  # importing torchvision takes seconds, so it is imported where one of its networks is asked for
    from torchvision.models import WeightsEnum

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BUNDLED = {"minivgg": MiniVGG, "miniresnet": MiniResNet, "minivgg_robust": MiniVGG}
ZOO = (
    "alexnet",
    "vgg11",
    "vgg16",
    "vgg19",
    "squeezenet1_0",
    "squeezenet1_1",
    "googlenet",
    "resnet18",
    "resnet50",
    "densenet121",
    "mobilenet_v3_small",
)


def names() -> dict[str, int]:
    """Every network that `load` knows, with the number of bytes that its first use downloads (0 if it is bundled)."""
    sizes = {name: assets.torchvision_weights_size(_zoo_weights(name)) for name in ZOO}
    return dict.fromkeys(BUNDLED, 0) | sizes


def cached() -> list[str]:
    """The names of the networks that `load` gives without a download."""
    if not any(assets.checkpoint_folder().glob("*.pth")):
        return [*BUNDLED]
    return [*BUNDLED, *(name for name in ZOO if assets.torchvision_weights_cached(_zoo_weights(name)))]


def download(name: str) -> None:
    """Download the weights of one of torchvision's networks into the cache; for a bundled network, do nothing.

    Raises:
        LookupError: The name is unknown.
        AssetError: The weights cannot be downloaded, stored or read.
    """
    _known(name)
    if name in ZOO:
        assets.torchvision_weights(_zoo_weights(name))


def load(
    name: str | None = None,
    device: torch.device | str | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
) -> Network:
    """A network by name, ready to use: eval mode, frozen, on its device.

    Args:
        name: 'minivgg', 'miniresnet' or 'minivgg_robust' (adversarially trained), which are bundled, or one of
            torchvision's; `names()` lists them all with their download sizes. None takes the network of the course: the
            one that the environment variable VIZLIB_NETWORK names, or else 'minivgg'.
        device: The device to run on; None takes the best one available.
        weights: 'trained' (torchvision's are downloaded at their first use), 'untrained' (random), or the path of a
            `.safetensors` file or of a state dict saved with `torch.save`. None takes 'trained', or for the network of
            the course what the environment variable VIZLIB_WEIGHTS says.
        seed: The seed of the random weights.

    Raises:
        LookupError: The name is unknown.
        AssetError: The weights cannot be downloaded or read.
        ValueError: The weights do not fit the network, or the device cannot be used.
    """
    if weights is None:
        weights = (os.environ.get("VIZLIB_WEIGHTS") if name in (None, _of_the_course()) else None) or "trained"
    name = name or _of_the_course()
    _known(name)
    network = _bundled(name, weights, seed) if name in BUNDLED else _zoo(name, weights, seed)
    network.name += " (untrained)" if weights == "untrained" else ""
    try:
        return network.to(device or default_device())
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} cannot be used here ({error}); try 'cpu' or leave it out") from error


def wrap(
    module: nn.Module,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    input_size: int = 224,
    min_size: int = 1,
) -> Network:
    """The user's own classifier as a `Network`, on the device that it is on; the arguments are those of `Network`.

    It is run once, on noise of `input_size`, to see which layers run and whether it gives logits. It may go on being
    trained: everything here runs it in eval mode and frozen, and leaves it as it was.

    Args:
        module: A classifier. One whose first convolution takes a single channel gets grey images.
        mean, std: None takes ImageNet's for a network of colour images, and 0 and 1 for one of grey images.

    Raises:
        TypeError: `module` is not an `nn.Module`.
        ValueError: `mean` or `std` is not one or three numbers in [0, 1], or `std` has a zero; the module does not take
            images of `input_size`, does not give logits, or there is not one class name for each.

    Example:
        >>> net = wrap(torchvision.models.regnet_y_400mf(weights="DEFAULT"), classes=imagenet_names)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module: expected an nn.Module, got a {type(module).__name__}")
    grey = _takes_grey(module) if mean is None else isinstance(mean, Sequence) and len(mean) == 1
    mean = ((0.0,) if grey else IMAGENET_MEAN) if mean is None else mean
    std = ((1.0,) if grey else IMAGENET_STD) if std is None else std
    network = Network(module, mean, std, classes, name, input_size, min_size)
    parameter = next(module.parameters(), None)
    return (network if parameter is None else network.to(parameter.device)).check()


def _takes_grey(module: nn.Module) -> bool:
    """Whether the first convolution that a module holds takes one channel."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return first is not None and first.in_channels == 1


def _of_the_course() -> str:
    return os.environ.get("VIZLIB_NETWORK") or "minivgg"


def _known(name: str) -> None:
    known = [*BUNDLED, *ZOO]
    if name not in known:
        raise LookupError(
            f"network {name!r} is unknown{assets.did_you_mean(name, known)}; expected one of {', '.join(known)}"
        )


def _zoo_weights(name: str) -> "WeightsEnum":
    from torchvision.models import get_model_weights

    return get_model_weights(name).DEFAULT


def _untrained(build: type | str, seed: int, **options: object) -> nn.Module:
    if isinstance(build, str):
        from torchvision.models import get_model

        build, options = get_model, {"name": build} | options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(**options)
        return module.eval().requires_grad_(False)


def _bundled(name: str, weights: str | Path, seed: int) -> Network:
    module, bundled = _untrained(BUNDLED[name], seed), assets.data_path(f"{name}.safetensors")
    if weights != "untrained":
        path = bundled if weights == "trained" else Path(weights)
        _fill(module, assets.load_state_dict(path), name, path)
    return Network(module, name=name, **_facts(bundled))


def _facts(bundled: Path) -> dict[str, object]:
    """The metadata of a bundled file: its network's class names, mean, standard deviation and sizes."""
    try:
        with safe_open(bundled, "pt") as file:
            return {key: json.loads(value) for key, value in file.metadata().items()}
    except Exception as error:  # on a damaged file the reader may raise almost anything
        raise assets.AssetError(f"{bundled} is damaged ({error}): reinstall vizlib") from error


def _zoo(name: str, weights: str | Path, seed: int) -> Network:
    about = _zoo_weights(name)
    options: dict[str, object] = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    if name == "googlenet" and weights != "untrained":
        options["transform_input"] = True  # the published weights expect another normalisation
    module = _untrained(name, seed, **options)
    if weights != "untrained":
        state = assets.torchvision_weights(about) if weights == "trained" else assets.load_state_dict(Path(weights))
        _fill(module, _today(state), name, about.url if weights == "trained" else weights)
    smallest = max(about.meta["min_size"])
    return Network(module, IMAGENET_MEAN, IMAGENET_STD, about.meta["categories"], name, 224, max(smallest, 32))


def _today(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict with today's module names, and without GoogLeNet's auxiliary classifiers."""
    old_densenet = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")  # as in 'denselayer1.norm.1.weight' of 2017
    return {old_densenet.sub(r"\1\2", key): value for key, value in state.items() if not key.startswith("aux")}


def _fill(module: nn.Module, state: dict[str, Tensor], name: str, source: object) -> None:
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unknown or shapes:
        faults = [
            f"{len(k)} {what} ({k[0]} …)"
            for k, what in ((missing, "missing"), (unknown, "unknown"), (shapes, "of another shape"))
            if k
        ]
        raise ValueError(
            f"{source} does not hold the weights of {name} (tensors: {', '.join(faults)}); use another file"
        )
    module.load_state_dict(state, strict=False)
