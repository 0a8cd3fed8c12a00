"""Layers chosen by their place in a network: five stages from first to last, and those for content and style."""

from typing import TYPE_CHECKING, NamedTuple

from torch import nn

if TYPE_CHECKING:
    from vizlib.models.network import Network


class Stages(NamedTuple):
    """Five layers of maps, from the pixels to the classifier: edges and colours, … textures, … parts of objects."""

    first: str
    low: str
    middle: str
    high: str
    last: str


_STAGES = {  # by the beginning of a network's name; the longest that fits counts
    "minivgg": Stages("relu1", "relu2", "relu4", "relu6", "relu7"),
    "miniresnet": Stages("relu1", "layer1.1", "layer2.1", "layer3.1", "layer4.0"),
    "alexnet": Stages("relu1", "relu2", "relu3", "relu4", "relu5"),
    "vgg11": Stages("relu1_1", "relu2_1", "relu3_2", "relu4_2", "relu5_2"),
    "vgg16": Stages("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "vgg19": Stages("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4"),
    "squeezenet1_0": Stages("relu1", "fire3", "fire5", "fire8", "fire9"),
    "squeezenet1_1": Stages("relu1", "fire3", "fire5", "fire8", "fire9"),
    "googlenet": Stages("conv1", "conv3", "inception3b", "inception4d", "inception5b"),
    "resnet": Stages("relu", "layer1.1", "layer2.1", "layer3.1", "layer4.1"),
    "densenet121": Stages("relu0", "denseblock1", "denseblock2", "denseblock3", "denseblock4"),
}


def stages_of(net: "Network") -> Stages:
    """The five stages of a network: those of the table for a known family, otherwise spread over its layers of maps.

    Raises:
        ValueError: The network has no layer with a map of more than one cell.
    """
    known = [start for start in _STAGES if net.name.startswith(start)]
    if known and set(stages := _STAGES[max(known, key=len)]) <= net.layers.keys():
        return stages
    layers = rectified(net)
    if not layers:
        raise ValueError(f"{net.name} has no layer whose output is a map (C, h, w) of more than one cell: name layers")
    last = len(layers) - 1
    return Stages(*(layers[round(share * last)] for share in (0, 0.25, 0.5, 0.75, 1)))


def maps(net: "Network") -> dict[str, tuple[int, int, int]]:
    """The layers whose output is a map of more than one cell: name -> (C, h, w) for an image of `input_size`."""
    shapes = {name: shape for name, shape in net.shapes.items() if shape is not None and len(shape) == 3}
    return {name: shape for name, shape in shapes.items() if shape[1] * shape[2] > 1}


def rectified(net: "Network") -> list[str]:
    """The layers of maps that end a block: not a pooling, nor what the next layer normalises or rectifies."""
    names = list(net.layers)
    follows = dict(zip(names, [*list(net.layers.values())[1:], None], strict=True))
    return [
        name
        for name in maps(net)
        if "Pool" not in type(net.layers[name]).__name__
        and not (follows[name] is not None and _ends_block(follows[name]))
    ]


def _ends_block(layer: nn.Module) -> bool:
    name = type(layer).__name__
    return "Norm" in name or any(kind in name for kind in ("ReLU", "ELU", "GELU", "SiLU", "Hardswish", "Tanh"))


def last_layer(net: "Network") -> str:
    """The layer just before the classifier (the last layer with weights): `relu7` of VGG, `avgpool` of ResNet.

    Raises:
        ValueError: No layer comes before the last one that has weights.
    """
    names = list(net.layers)
    weighted = [i for i, layer in enumerate(net.layers.values()) if len(list(layer.parameters()))]
    if not weighted or weighted[-1] == 0:
        raise ValueError(f"{net.name} has no layer before its classifier: name one of {', '.join(names)}")
    return names[weighted[-1] - 1]


def last_maps(net: "Network") -> str:
    """The last layer with weights and a map, or what normalises or rectifies it right after; Grad-CAM's default.

    Raises:
        ValueError: The network has no map of more than one cell.
    """
    names, shapes = list(net.layers), maps(net)
    found = [i for i, name in enumerate(names) if name in shapes and any(True for _ in net.layers[name].parameters())]
    if not found:
        raise ValueError(f"{net.name} has no layer with a map of more than one cell: use a method without maps")
    last = found[-1]
    while last + 1 < len(names) and isinstance(net.layers[names[last + 1]], nn.ReLU | nn.ReLU6 | nn.BatchNorm2d):
        last += 1
    return names[last]


def before_relu(net: "Network", layer: str) -> str:
    """The layer that a ReLU follows: `conv7` for MiniVGG's `relu7`; a layer that is no ReLU stands for itself."""
    names = list(net.layers)
    rectifies = isinstance(net.layers[layer], nn.ReLU | nn.ReLU6) and names.index(layer) > 0
    return names[names.index(layer) - 1] if rectifies else layer


def content_and_style_layers(net: "Network") -> tuple[list[str], list[str]]:
    """The content layer (a list of one) and the style layers that work well for a network, from shallow to deep.

    For VGG these are those of Gatys et al. 2016: relu4_2 for content, and relu1_1, relu2_1, relu3_1, relu4_1 and
    relu5_1 for style. For a network that is not in the table they are spread over its layers of maps.
    """
    known = {
        "vgg": (["relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
        "minivgg": (["relu5"], ["relu1", "relu2", "relu3", "relu4", "relu5"]),
        "miniresnet": (["layer3.0"], ["relu1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0"]),
        "squeezenet": (["fire5"], ["relu1", "fire2", "fire3", "fire4", "fire5", "fire6"]),
    }
    for start, (content, style) in known.items():
        if net.name.startswith(start) and {*content, *style} <= net.layers.keys():
            return content, style
    spatial = list(maps(net))
    return [spatial[len(spatial) * 3 // 5]], spatial[: max(1, len(spatial) * 4 // 5) : max(1, len(spatial) // 6)]
