"""Layers chosen by their place in a network: the last one, the last feature maps, those for content and style."""

from torch import nn

from vizlib.models.network import Network


def last_layer(net: Network) -> str:
    """The layer just before the classifier (the last layer with weights): `relu7` of VGG, `avgpool` of ResNet.

    Raises:
        ValueError: No layer comes before the last one that has weights.
    """
    names = list(net.layers)
    weighted = [i for i, layer in enumerate(net.layers.values()) if len(list(layer.parameters()))]
    if not weighted or weighted[-1] == 0:
        raise ValueError(f"{net.name} has no layer before its classifier: name one of {', '.join(names)}")
    return names[weighted[-1] - 1]


def last_maps(net: Network) -> str:
    """The last layer with a convolution, or the ReLU or batch normalisation right after it; Grad-CAM's default.

    Raises:
        ValueError: The network has no convolutions.
    """
    names = list(net.layers)
    found = [i for i, name in enumerate(names) if any(isinstance(m, nn.Conv2d) for m in net.layers[name].modules())]
    if not found:
        raise ValueError(f"{net.name} has no convolution among its layers: name a layer whose output is (N, C, h, w)")
    last = found[-1]
    while last + 1 < len(names) and isinstance(net.layers[names[last + 1]], nn.ReLU | nn.BatchNorm2d):
        last += 1
    return names[last]


def content_and_style_layers(net: Network) -> tuple[list[str], list[str]]:
    """The content layer (a list of one) and the style layers that work well for a network, from shallow to deep.

    For VGG these are those of Gatys et al. 2016: relu4_2 for content, and relu1_1, relu2_1, relu3_1, relu4_1 and
    relu5_1 for style. For a network that is not in the table they are spread over its layers.
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
    spatial = [layer for layer in net.layers if not layer.startswith(("fc", "avgpool", "flatten", "classifier"))]
    return [spatial[len(spatial) * 3 // 5]], spatial[: max(1, len(spatial) * 4 // 5) : max(1, len(spatial) // 6)]
