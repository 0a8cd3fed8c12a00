"""Losses and objectives against closed forms and finite differences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vizlib.optimize import losses, objectives, regularizers


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def differs(loss, x: Tensor) -> None:
    """The gradient of `loss` at x agrees with central finite differences in double precision."""
    assert torch.autograd.gradcheck(loss, x.clone().requires_grad_())


def test_content_loss_is_the_relative_squared_distance(features):
    target = features.flip(0)
    expected = (features - target).norm() ** 2 / target.norm() ** 2
    assert torch.isclose(losses.content_loss(features, target), expected)
    assert losses.content_loss(features, features) == 0
    assert torch.isclose(losses.content_loss(features * 3, target * 3), expected)  # the scale does not matter
    one = losses.content_loss(features[:1].repeat(2, 1, 1, 1), target[:1])
    assert torch.isclose(one, losses.content_loss(features[:1], target[:1]))
    differs(lambda x: losses.content_loss(x, target), features)


def test_gradients_of_the_gram_matrix_are_autograds(features):
    x, weight = features.clone().requires_grad_(), torch.rand(2, 3, 3)
    flat = x.flatten(2)
    plain = (flat @ flat.transpose(1, 2) / flat.shape[2] * weight).sum()
    ours = (losses.gram_matrix(x) * weight).sum()
    torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in (ours, plain)))


def test_gram_matrix_is_the_mean_outer_product_and_forgets_position(features):
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for row in range(4):
        for column in range(5):
            cell = features[:, :, row, column]
            expected += cell[:, :, None] * cell[:, None, :] / 20
    gram = losses.gram_matrix(features)
    assert torch.allclose(gram.double(), expected, atol=1e-6) and gram.dtype == torch.float32
    rolled = features.roll((1, 2), (2, 3))
    assert torch.allclose(losses.gram_matrix(rolled), gram, atol=1e-6)
    assert torch.linalg.eigvalsh(gram).min() > -1e-6


def test_style_loss_is_relative_to_the_target(features):
    target = losses.gram_matrix(features.flip(3).roll(1, 1))
    gram = losses.gram_matrix(features)
    expected = (gram - target).norm() ** 2 / target.norm() ** 2
    assert torch.isclose(losses.style_loss(features, target), expected)
    assert losses.style_loss(features.roll(2, 3), gram) < 1e-10
    small = features.float()
    step, x = 1e-2, small.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(losses.style_loss(x, target), x)
    direction = torch.randn_like(small)
    ahead, behind = (losses.style_loss(small + s * step * direction, target) for s in (1, -1))
    assert torch.isclose((ahead - behind) / (2 * step), (gradient * direction).sum(), rtol=1e-2, atol=1e-4)


def test_total_variation_of_a_ramp_and_of_nothing():
    ramp = torch.arange(6, dtype=torch.float64).expand(1, 3, 4, 6) / 10  # each step across is 0.1
    assert torch.isclose(regularizers.total_variation(ramp), torch.tensor(0.01, dtype=torch.float64))
    assert regularizers.total_variation(torch.full((1, 3, 4, 4), 0.7)) == 0
    differs(regularizers.total_variation, torch.rand(1, 3, 3, 4, dtype=torch.float64))


def test_l2_norm_is_measured_from_the_centre():
    image = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)
    assert regularizers.l2_norm(image) == 0.25 and regularizers.l2_norm(image, 0.5) == 0
    center = torch.rand(3, 1, 1, dtype=torch.float64)
    differs(lambda x: regularizers.l2_norm(x, center), torch.rand(2, 3, 2, 2, dtype=torch.float64))


# --- objectives -----------------------------------------------------------------------------------------------------


def test_objectives_score_each_image(features):
    acts = {"relu5": features, "fc8": features[:, :, 0, 0]}
    assert torch.equal(objectives.channel("relu5", 1).score(acts), features[:, 1].mean((1, 2)))
    assert torch.equal(objectives.channel("fc8", 2).score(acts), features[:, 2, 0, 0])
    each = objectives.channel("relu5", torch.tensor([2, 0])).score(acts)
    assert torch.equal(each, torch.stack([features[0, 2].mean(), features[1, 0].mean()]))
    assert torch.equal(objectives.neuron("relu5", 1).score(acts), features[:, 1, 2, 2])
    assert torch.equal(objectives.neuron("relu5", 1, 0, 4).score(acts), features[:, 1, 0, 4])
    assert torch.allclose(objectives.energy("relu5").score(acts), 0.5 * features.square().mean((1, 2, 3)))


@pytest.mark.parametrize("index", [1, np.int64(1), torch.tensor(1), torch.tensor([1]), [1]])
def test_a_channel_may_be_given_in_any_usual_way(features, index):
    objective = objectives.channel("relu5", index)
    assert objective.name == "relu5[1]"
    assert torch.equal(objective.score({"relu5": features}), features[:, 1].mean((1, 2)))


def test_a_neuron_of_a_linear_layer_is_its_output(features):
    assert torch.equal(objectives.neuron("fc8", 2).score({"fc8": features[:, :, 0, 0]}), features[:, 2, 0, 0])


def test_objectives_add_up_and_take_weights(features):
    acts = {"relu5": features, "fc8": features[:, :, 0, 0]}
    both = objectives.channel("relu5", 1) + 0.5 * objectives.channel("fc8", 2)
    assert both.layers == {"relu5", "fc8"} and both.name == "relu5[1] + 0.5 * fc8[2]"
    assert torch.allclose(both.score(acts), features[:, 1].mean((1, 2)) + 0.5 * features[:, 2, 0, 0])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda f: losses.content_loss(f, f[:, :2]), r"\(2, 3, 4, 5\).*\(2, 2, 4, 5\)"),
        (lambda f: losses.gram_matrix(f[0]), r"\(N, C, h, w\).*\(3, 4, 5\)"),
        (lambda f: losses.style_loss(f, torch.zeros(1, 4, 4)), r"\(2, 3, 3\).*\(1, 4, 4\)"),
        (lambda f: regularizers.total_variation(f[:, :, :1]), r"2x2.*\(2, 3, 1, 5\)"),
        (lambda f: objectives.channel("a", 3).score({"a": f}), r"channel 3\b.*'a'.*\b2\b"),
        (lambda f: objectives.channel("a", -1).score({"a": f}), r"channel -1\b.*'a'.*\b2\b"),
        (lambda f: objectives.channel("a", torch.tensor([0, 1, 2])).score({"a": f}), r"channel.*\b3\b.*\b2 images"),
        (lambda f: objectives.channel("a", 1.5), r"channel 1\.5.*whole number"),
        (lambda f: objectives.channel("a", True), "channel True.*whole number"),
        (lambda f: objectives.channel("a", "3"), "channel '3'.*whole number"),
        (lambda f: objectives.channel("a", []), r"channel \[\].*whole number"),
        (lambda f: objectives.map_of({"a": f[:, :, 0, 0]}, "a"), r"'a'.*\(2, 3\).*before"),
        (lambda f: objectives.neuron("a", 0, 4, 0).score({"a": f}), r"\(4, 0\).*4x5"),
    ],
)
def test_what_does_not_fit_is_refused(features, act, message):
    with pytest.raises(ValueError, match=message):
        act(features)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_a_gram_matrix_lies_in_memory_as_the_features_do(images, layout):
    """Layers take a gradient in another order several times more slowly."""
    features, seen = torch.rand(images, 6, 5, 7).to(memory_format=layout), []
    maps = features.clone().requires_grad_()
    maps.register_hook(seen.append)
    weights = torch.rand(images, 6, 6)
    (losses.gram_matrix(maps) * weights).sum().backward()
    (gradient,) = seen
    assert gradient.is_contiguous(memory_format=layout)
    torch.testing.assert_close(gradient, torch.einsum("nij,njhw->nihw", weights + weights.mT, features) / 35)
