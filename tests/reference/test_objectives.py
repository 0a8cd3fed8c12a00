"""Gradients of every objective and loss against finite differences; regularisers, spectrum, movements and optimisers
against SciPy, NumPy, torchvision and closed forms."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from vizlib import models
from vizlib.hooks import read
from vizlib.models import first_layer
from vizlib.optimize import OptimizerKnobs, Pixels, Spectrum, losses, minimize, objectives, regularizers
from vizlib.optimize.parametrizations import color_matrix, frequency_scale
from vizlib.optimize.transforms import warp

N, C, SIDE = 2, 4, 12


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FEATURES = random(N, C, 5, 6)
OBJECTIVES = {
    "one channel": objectives.channel("a", 2),
    "a channel each": objectives.channel("a", torch.tensor([3, 0])),
    "the neuron in the middle": objectives.neuron("a", 1),
    "a neuron": objectives.neuron("a", torch.tensor([1, 2]), 4, 0),
    "a class": objectives.channel("fc", 1),
    "energy": objectives.energy("a"),
    "a sum": objectives.channel("a", 2) + 0.3 * objectives.energy("b") + objectives.neuron("b", 0) * -2,
}


# --- objectives and losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_an_objective_and_its_gradient_agree_with_finite_differences(objective):
    """Through layers of two sizes and a linear one, as a network has them."""
    deeper = random(C, C, 3, 3, seed=1)

    def score(features: Tensor) -> Tensor:
        second = F.conv2d(features, deeper).tanh()
        return objective.score({"a": features, "b": second, "fc": second.mean((2, 3))})

    assert gradcheck(score, FEATURES.clone().requires_grad_())


def test_the_objectives_gradients_in_closed_form():
    def gradient(objective: objectives.Objective) -> Tensor:
        x = FEATURES.clone().requires_grad_()
        return torch.autograd.grad(objective.score({"a": x}).sum(), x)[0]

    expected = torch.zeros_like(FEATURES)
    expected[0, 3] = expected[1, 0] = 1 / 30
    assert torch.allclose(gradient(objectives.channel("a", torch.tensor([3, 0]))), expected)
    expected = torch.zeros_like(FEATURES)
    expected[:, 1, 2, 3] = 1
    assert torch.equal(gradient(objectives.neuron("a", 1)), expected)
    assert torch.allclose(gradient(objectives.energy("a")), FEATURES / (C * 30))


@pytest.mark.parametrize("name", ["minivgg", "squeezenet1_0", "resnet18"])
def test_the_gradient_at_the_pixels_agrees_with_finite_differences(name):
    """The whole chain in double precision, smooth at this place: network, objective, roughness and distance."""
    net = models.load(name, "cpu", "untrained").double()
    layer = {"minivgg": "relu3", "squeezenet1_0": "fire3", "resnet18": "layer1.0"}[name]
    image = 0.5 + 0.1 * random(1, 3, net.min_size if name == "minivgg" else 48, 64).clamp(-2, 2)
    objective, h = objectives.channel(layer, 1), 1e-6

    def loss(image: Tensor) -> Tensor:
        score = objective.score(read(net, image, [layer], grad=True)).sum()
        return -score + 3 * regularizers.total_variation(image) + 2 * regularizers.l2_norm(image, net.mean)

    x = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    for seed in range(3):
        direction = random(*image.shape, seed=10 + seed)
        change = (loss(image + h * direction) - loss(image - h * direction)).item() / (2 * h)
        assert change == pytest.approx((gradient * direction).sum().item(), rel=1e-4, abs=1e-8)


def test_total_variation_and_l2_in_closed_form():
    image = random(1, 3, 4, 5).requires_grad_()
    (gradient,) = torch.autograd.grad(regularizers.total_variation(image), image)
    x = image.detach().numpy()
    down, across = np.diff(x, axis=2), np.diff(x, axis=3)
    assert regularizers.total_variation(image).item() == pytest.approx((down**2).mean() + (across**2).mean())
    expected = np.zeros_like(x)
    expected[:, :, 1:] += 2 * down / down.size
    expected[:, :, :-1] -= 2 * down / down.size
    expected[..., 1:] += 2 * across / across.size
    expected[..., :-1] -= 2 * across / across.size
    assert np.allclose(gradient, expected)
    (gradient,) = torch.autograd.grad(regularizers.l2_norm(image, 0.3), image)
    assert torch.allclose(gradient, 2 * (image - 0.3) / image.numel())


def test_content_and_style_gradients_in_closed_form():
    """2 (f - t) / |t|^2, and for the Gram matrix 4 (G - T) f / (h w |T|^2), Gatys et al. 2015, eq. 6."""
    x, target = FEATURES.clone().requires_grad_(), random(N, C, 5, 6, seed=2)
    (gradient,) = torch.autograd.grad(losses.content_loss(x, target), x)
    assert torch.allclose(gradient, 2 * (FEATURES - target) / target.square().sum())
    assert gradcheck(lambda f: losses.content_loss(f, target[:1]), x)

    gram = losses.gram_matrix(target)
    (gradient,) = torch.autograd.grad(losses.style_loss(x, gram), x)
    flat = FEATURES.flatten(2)
    difference = flat @ flat.transpose(1, 2) / 30 - gram
    expected = 4 / 30 * (difference @ flat).unflatten(2, (5, 6)) / gram.square().sum()
    assert torch.allclose(gradient, expected.double(), rtol=1e-4, atol=1e-6)  # Gram matrices are float32


# --- regularisers of pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_blur_is_scipys_gaussian(sigma):
    image = random(2, 3, 21, 17).float()
    reach = max(1, round(3 * sigma))
    expected = scipy.ndimage.gaussian_filter(image.numpy(), (0, 0, sigma, sigma), mode="mirror", radius=reach)
    assert np.allclose(regularizers.blur(image, sigma), expected, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_clip_keeps_what_is_not_below_numpys_quantile(share, seed):
    value = random(2, 3, 5, 7, seed=seed).float()
    size = value.abs().amax(1, keepdim=True)
    kept = regularizers.clip(value, size, share).numpy()
    for image, strength, result in zip(value.numpy(), size.numpy(), kept, strict=True):
        threshold = np.quantile(strength, share)
        clear = np.abs(strength[0] - threshold) > 1e-5  # the pixel at the threshold itself is a matter of rounding
        assert np.array_equal(result[:, clear], (image * (strength > threshold))[:, clear])
        assert abs((result == 0).all(0).sum() - share * 34) < 1.01


# --- the spectrum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 10), (7, 9)])
def test_the_spectrums_image_is_numpys(height, width):
    picture = Spectrum(2, height, width, generator=torch.Generator().manual_seed(0))
    real, imaginary = picture.parameters[0].detach().double().numpy().transpose(4, 0, 1, 2, 3)
    down, across = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    scale = 1 / np.maximum(np.hypot(down, across), 1 / max(height, width))
    assert np.allclose(frequency_scale(height, width), scale)
    field = np.fft.irfft2((real + 1j * imaginary) * scale, s=(height, width), norm="ortho")
    colors = np.einsum("ij,njhw->nihw", color_matrix().double().numpy(), field)
    assert np.allclose(picture.image().detach(), 1 / (1 + np.exp(-colors)), atol=1e-6)


def test_the_spectrums_gradient_agrees_with_finite_differences():
    picture = Spectrum(1, 5, 6, generator=torch.Generator().manual_seed(0))
    picture._scale, picture._colors = picture._scale.double(), picture._colors.double()
    weights = random(1, 3, 5, 6)

    def loss(parameter: Tensor) -> Tensor:
        picture.parameters = [parameter]
        return (picture.image() * weights).sum()

    assert gradcheck(loss, picture.parameters[0].detach().double().requires_grad_())


# --- movements ------------------------------------------------------------------------------------------------------


def smooth(height: int, width: int) -> Tensor:
    return F.interpolate(random(1, 3, 6, 6).float(), (height, width), mode="bicubic")


def matrix(degrees: float, factor: float, x: float, y: float) -> Tensor:
    """Turn clockwise on the screen and enlarge about the centre, then shift."""
    c, s = factor * math.cos(math.radians(degrees)), factor * math.sin(math.radians(degrees))
    return torch.tensor([[[c, -s, x], [s, c, y], [0, 0, 1]]])


@pytest.mark.parametrize("move", [(0, 1, 2.5, -3), (20, 1, 0, 0), (0, 1.3, 0, 0), (-15, 0.8, 4, 2.25)])
def test_a_movement_is_scipys_and_torchvisions(move):
    image, moving = smooth(40, 32), matrix(*move)
    ours = warp(image, moving, 40, 32)
    inverse = torch.linalg.inv(moving)[0].double().numpy()[[1, 0, 2]][:, [1, 0, 2]]  # SciPy's axes are y, x
    center = np.array([19.5, 15.5])
    offset = inverse[:2, :2] @ -center + inverse[:2, 2] + center
    expected = [
        scipy.ndimage.affine_transform(plane, inverse[:2, :2], offset, order=1, mode="reflect")
        for plane in image[0].numpy()
    ]
    assert np.allclose(ours[0], expected, atol=1e-3)

    degrees, factor, x, y = move
    if x == int(x) and y == int(y):  # torchvision shifts by whole pixels only
        theirs = tv.affine(image, degrees, [x, y], factor, [0.0, 0.0], InterpolationMode.BILINEAR)
        inside = (slice(None), slice(None), slice(12, -12), slice(12, -12))
        assert torch.allclose(ours[inside], theirs[inside], atol=1e-3)


def test_the_gradient_of_a_movement_agrees_with_finite_differences():
    moving = matrix(17, 1.1, 1.3, -0.4)
    assert gradcheck(lambda image: warp(image, moving, 6, 9), random(1, 3, 6, 7).requires_grad_())


# --- optimisers on a quadratic --------------------------------------------------------------------------------------

CURVATURE, LOWEST = torch.linspace(1, 30, 48).reshape(1, 3, 4, 4), torch.linspace(0.3, 0.7, 48).reshape(1, 3, 4, 4)


def quadratic(image: Tensor, iteration: int = 0) -> dict[str, Tensor]:
    return {"quadratic": 0.5 * (CURVATURE * (image - LOWEST).square()).sum()}


def images_of(optimizer: str, learning_rate: float, steps: int) -> list[Tensor]:
    start = Pixels(torch.full((1, 3, 4, 4), 0.5))
    return [step.image for step in minimize(quadratic, start, OptimizerKnobs(steps, optimizer, learning_rate))]


def test_adam_takes_torchs_steps():
    x = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    adam = torch.optim.Adam([x], 0.01)
    for image in images_of("adam", 0.01, 12):
        adam.zero_grad()
        quadratic(x)["quadratic"].backward()
        adam.step()
        assert torch.allclose(image, x, atol=1e-6)


def test_normalised_steps_follow_the_gradient_at_one_length():
    x = torch.full((1, 3, 4, 4), 0.5)
    for image in images_of("normalized", 0.01, 12):
        gradient = CURVATURE * (x - LOWEST)
        x = x - 0.01 * gradient * 48**0.5 / gradient.norm()
        assert torch.allclose(image, x, atol=1e-6)


def test_lbfgs_finds_scipys_minimum():
    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        away = x - LOWEST.flatten().double().numpy()
        curvature = CURVATURE.flatten().double().numpy()
        return 0.5 * (curvature * away**2).sum(), curvature * away

    theirs = scipy.optimize.minimize(value_and_gradient, np.full(48, 0.5), jac=True, method="L-BFGS-B")
    *_, ours = images_of("lbfgs", 1.0, 40)
    assert np.allclose(ours.flatten(), theirs.x, atol=1e-3)
    assert np.allclose(ours, LOWEST, atol=1e-3)


# --- the first layer's gradient -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.integers(1, 11),
    stride=st.integers(1, 4),
    padding=st.integers(0, 5),
    height=st.integers(11, 26),
    width=st.integers(11, 26),
)
def test_the_first_layers_gradient_is_autograds(kernel, stride, padding, height, width):
    image = random(2, 3, height, width).requires_grad_()
    weight = random(5, 3, kernel, kernel, seed=1)
    output = F.conv2d(image, weight, stride=stride, padding=padding)
    gradient = random(*output.shape, seed=2)
    (expected,) = torch.autograd.grad(output, image, gradient)
    assert torch.allclose(first_layer.pixel_gradient(gradient, weight, stride, padding, (height, width)), expected)
