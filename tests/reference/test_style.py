"""Style transfer's losses against closed forms and PyTorch's tutorial, and its gradient against differences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vizlib import images, models
from vizlib.hooks import read
from vizlib.models import stages
from vizlib.synthesis import style

NETWORKS = ["minivgg", "vgg19", "squeezenet1_0"]


@pytest.fixture(scope="module", params=NETWORKS)
def net(request):
    return models.load(request.param, weights="untrained" if request.param != "minivgg" else "trained", device="cpu")


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    photo, painting = (images.prepare(images.load(name), 72) for name in ("chelsea", "whirls"))
    return (photo + 0.1 * torch.randn(photo.shape, generator=generator)).clamp(0, 1), photo, painting


def gram_by_hand(f: Tensor) -> Tensor:
    n, c, h, w = f.shape
    gram = torch.zeros(n, c, c, dtype=torch.float64)
    for y in range(h):
        for x in range(w):
            column = f[:, :, y, x].double()
            gram += column[:, :, None] * column[:, None, :]
    return gram / (h * w)


def test_both_losses_are_the_formula(net, pictures):
    image, photo, painting = pictures
    knobs = style.StyleKnobs(size=72)
    content_layers, style_layers = stages.content_and_style_layers(net)
    here, there, now = (read(net, x, [*content_layers, *style_layers]) for x in (photo, painting, image))
    (layer,) = content_layers
    flat = here[layer].mean((2, 3), keepdim=True)
    content = (now[layer] - here[layer]).square().sum() / (here[layer] - flat).square().sum()
    parts = []
    for layer in style_layers:
        found, wanted, begin = (gram_by_hand(x[layer]) for x in (now, there, here))
        unit = max((begin - wanted).square().sum(), 1e-3 * wanted.square().sum())
        parts.append((found - wanted).square().sum() / unit)
    measured = style.Targets(net, photo, [painting]).measure(image, knobs)
    assert measured[0] == pytest.approx(content.item(), rel=1e-4)
    assert measured[1] == pytest.approx((sum(parts) / len(parts)).item(), rel=1e-3)


def test_the_gradient_is_that_of_differences(pictures):
    image, photo, painting = pictures
    net = models.load("minivgg", device="cpu")
    targets, knobs = style.Targets(net, photo, [painting]), style.StyleKnobs(size=72)
    pixels = image.clone().requires_grad_()

    def total(x: Tensor) -> Tensor:
        return sum(targets.losses(x, knobs, (3, 5)).values())

    (gradient,) = torch.autograd.grad(total(pixels), pixels)
    direction = gradient / gradient.norm()
    step = 0.03
    difference = (total(pixels + step * direction) - total(pixels - step * direction)) / (2 * step)
    assert difference.item() == pytest.approx(gradient.norm().item(), rel=0.03)


class ContentLoss(nn.Module):
    """As in PyTorch's tutorial: a layer in the network that remembers the loss of what passes."""

    def __init__(self, target: Tensor):
        super().__init__()
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        self.loss = F.mse_loss(x, self.target)
        return x


class StyleLoss(ContentLoss):
    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d = x.size()
        features = x.view(a * b, c * d)
        gram = torch.mm(features, features.t()).div(a * b * c * d)
        self.loss = F.mse_loss(gram, self.target)
        return x


def test_the_tutorials_losses_are_ours_up_to_their_units(pictures):
    image, photo, painting = pictures
    net = models.load("vgg19", weights="untrained", device="cpu")
    knobs = style.StyleKnobs(content_layers=["conv4_2"], style_layers=["conv1_1", "conv2_1", "conv3_1"], size=72)
    features = net.module.features
    names = {id(module): name for name, module in net.layers.items()}
    x, content, by_style = {k: net.normalize(v) for k, v in zip("ips", pictures, strict=True)}, None, []
    for module in features[:22]:
        plain = nn.ReLU() if isinstance(module, nn.ReLU) else module
        x = {k: plain(v) for k, v in x.items()}
        name = names.get(id(module))
        if name == "conv4_2":
            loss = ContentLoss(x["p"])
            loss(x["i"])
            spread = x["p"] - x["p"].mean((2, 3), keepdim=True)
            content = loss.loss / spread.square().mean()
        if name in knobs.style_layers:
            a, b, c, d = x["s"].shape
            target = x["s"].reshape(a * b, c * d)
            loss = StyleLoss(target @ target.t() / (a * b * c * d))
            loss(x["i"].contiguous())
            now, start = loss.loss, StyleLoss(loss.target)
            start(x["p"].contiguous())
            by_style.append((now / start.loss).item())
    measured = style.Targets(net, photo, [painting]).measure(image, knobs)
    assert measured[0] == pytest.approx(content.item(), rel=1e-4)
    assert measured[1] == pytest.approx(sum(by_style) / len(by_style), rel=1e-3)
