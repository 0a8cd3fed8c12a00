"""The architecture of the first bundled network: seven convolutions and one linear classifier."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# (name, output channels, kernel size, stride, pool afterwards)
_CONVOLUTIONS = [
    ("1", 64, 7, 2, False),
    ("2", 64, 3, 1, True),
    ("3", 128, 3, 1, False),
    ("4", 128, 3, 1, True),
    ("5", 256, 3, 1, False),
    ("6", 256, 3, 1, True),
    ("7", 512, 3, 1, False),
]


class MiniVGG(nn.Module):
    """A textbook CNN: convolution, ReLU and max pooling, then global average pooling and one linear layer.

    Args:
        num_classes: K, the number of classes.
        batch_norm: Whether batch normalisation follows every convolution, for training; `folded` removes it again.

    Shape: from normalised images `(N, 3, H, W)`, H and W at least 64, to logits `(N, K)`.
    A 64x64 image gives 32x32 feature maps after `conv1` and 4x4 maps after `conv7`.

    Paper: after Simonyan and Zisserman 2015 (VGG), with the 7x7 stride-2 first layer of He et al. 2016.
    """

    def __init__(self, num_classes: int = 200, batch_norm: bool = False):
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 3
        for name, out, kernel, stride, pool in _CONVOLUTIONS:
            layers[f"conv{name}"] = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=not batch_norm)
            if batch_norm:
                layers[f"bn{name}"] = nn.BatchNorm2d(out)
            layers[f"relu{name}"] = nn.ReLU(inplace=True)
            if pool:
                layers[f"pool{name}"] = nn.MaxPool2d(2)
            channels = out
        layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["fc8"] = nn.Linear(channels, num_classes)
        for name, layer in layers.items():
            self.add_module(name, layer)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """The logits `(N, K)` of normalised images `(N, 3, H, W)`."""
        x = images
        for layer in self.children():
            x = layer(x)
        return x

    def folded(self) -> "MiniVGG":
        """The same function without batch normalisation: its scale and shift go into the convolution before it."""
        plain = MiniVGG(self.fc8.out_features)
        was_training = self.training
        self.eval()
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d):
                fused = fuse_conv_bn_eval(layer, getattr(self, name.replace("conv", "bn")))
                plain.get_submodule(name).load_state_dict(fused.state_dict())
        plain.fc8.load_state_dict(self.fc8.state_dict())
        self.train(was_training)
        return plain.eval()
