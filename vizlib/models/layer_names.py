"""The names under which the literature knows a network's layers: `conv1`, `relu3_2`, `pool5`, `fc6`."""

from collections.abc import Iterable

from torch import nn

_KINDS = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "bn",
    nn.ReLU: "relu",
    nn.MaxPool2d: "pool",
    nn.AdaptiveAvgPool2d: "avgpool",
    nn.Linear: "fc",
}


def layer_names(module: nn.Module) -> dict[str, nn.Module]:
    """The layers of a network by name, in the order in which the module holds them.

    AlexNet and VGG are numbered as in their papers (`conv1`, `relu3_2`, `pool5`, `fc6`), and so is SqueezeNet (`conv1`,
    `fire2` …). In every other network a layer's name is its module path, with each `nn.Sequential` opened up
    ('layer1.0'). Dropout, flatten and identity layers are left out: they show nothing new.
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
    """The names conv1 … conv5, pool5, fc6 … fc8; with `blocks`, conv1_1, relu1_1, conv1_2, relu1_2, pool1, conv2_1 …"""
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
    """The names conv1, relu1, pool1, fire2 …, conv10, relu10, avgpool."""
    names, number = [], 0
    for layer in layers:
        kind = _KINDS.get(type(layer), "fire")
        number += kind in ("conv", "fire")
        names.append(kind if kind == "avgpool" else f"{kind}{number}")
    return names
