"""The architecture of the second bundled network: residual blocks, at about the size of `MiniVGG`."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# (name, channels, blocks, stride of the first block)
_STAGES = [("layer1", 32, 2, 1), ("layer2", 64, 2, 2), ("layer3", 128, 2, 2), ("layer4", 256, 1, 2)]


class Block(nn.Module):
    """A residual block: two 3x3 convolutions whose output is added to their input, relu(F(x) + x).

    If the number of channels changes, a 1x1 convolution, `shortcut`, gives x the new shape.

    Paper: He et al. 2016, figure 2.
    """

    def __init__(self, channels: int, out: int, stride: int, batch_norm: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=not batch_norm)
        self.bn1 = nn.BatchNorm2d(out) if batch_norm else nn.Identity()
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=not batch_norm)
        self.bn2 = nn.BatchNorm2d(out) if batch_norm else nn.Identity()
        self.shortcut = nn.Conv2d(channels, out, 1, stride) if channels != out else nn.Identity()
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output `(N, out, h', w')` for maps `(N, channels, h, w)`."""
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + self.shortcut(x))


class MiniResNet(nn.Module):
    """A small ResNet: one 7x7 convolution, four stages of residual blocks, global average pooling, one linear layer.

    Args:
        num_classes: K, the number of classes.
        batch_norm: Whether batch normalisation follows every convolution, for training; `folded` removes it again.

    Shape: from normalised images `(N, 3, H, W)`, H and W at least 64, to logits `(N, K)`.
    A 64x64 image gives 32x32 feature maps after `conv1` and `layer1`, and 4x4 maps after `layer4`.

    Paper: He et al. 2016.
    """

    def __init__(self, num_classes: int = 200, batch_norm: bool = False):
        super().__init__()
        channels = _STAGES[0][1]
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=not batch_norm)
        self.bn1 = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.relu1 = nn.ReLU(inplace=True)
        for name, out, blocks, stride in _STAGES:
            stage: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(blocks):
                stage[str(i)] = Block(channels, out, stride if i == 0 else 1, batch_norm)
                channels = out
            self.add_module(name, nn.Sequential(stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """The logits `(N, K)` of normalised images `(N, 3, H, W)`."""
        x = images
        for layer in self.children():
            x = layer(x)
        return x

    def folded(self) -> "MiniResNet":
        """The same function without batch normalisation: its scale and shift go into the convolution before it."""
        plain = MiniResNet(self.fc.out_features)
        was_training = self.training
        self.eval()
        modules = dict(self.named_modules())
        for path, layer in modules.items():
            if isinstance(layer, nn.BatchNorm2d):
                convolution = path.replace("bn", "conv")
                fused = fuse_conv_bn_eval(modules[convolution], layer)
                plain.get_submodule(convolution).load_state_dict(fused.state_dict())
            elif path.endswith("shortcut") and isinstance(layer, nn.Conv2d):
                plain.get_submodule(path).load_state_dict(layer.state_dict())
        plain.fc.load_state_dict(self.fc.state_dict())
        self.train(was_training)
        return plain.eval()
