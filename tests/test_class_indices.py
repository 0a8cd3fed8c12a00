"""Which class is meant: every way to say it, every mistake, and that every method that takes a class takes it so."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vizlib import hooks, models
from vizlib.analysis import occlusion, saliency
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import adversarial, ascent

FRUIT = ["apple", "banana", "cherry"]
ONE = [1, np.int64(1), np.int32(1), np.uint8(1), [1], [np.int64(1)], [torch.tensor(1)], np.array([1])]
ONE += [torch.tensor(1), torch.tensor([1]), torch.tensor(1, dtype=torch.uint8)]
ONE += ["banana", np.str_("banana"), ["banana"], ("banana",)]
BOTH = [[1, 2], ["banana", "cherry"], ["banana", 2], (1, "cherry"), [np.int64(1), torch.tensor(2)]]
BOTH += [np.array([1, 2]), torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.uint8)]


@pytest.fixture(scope="module")
def net() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, len(FRUIT))
    )
    return models.wrap(module, classes=FRUIT, name="fruit", input_size=16)


@pytest.fixture(scope="module")
def pair() -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


# --- Network.class_indices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ONE, ids=repr)
def test_one_class_for_all_images(net, pair, target):
    indices = net.class_indices(target, net(pair))
    assert indices.tolist() == [1, 1] and indices.dtype == torch.int64


@pytest.mark.parametrize("target", BOTH, ids=repr)
def test_a_class_for_each_image(net, pair, target):
    indices = net.class_indices(target, net(pair))
    assert indices.tolist() == [1, 2] and indices.dtype == torch.int64


def test_none_is_the_networks_own_answer(net):
    logits = torch.tensor([[0.0, 1, 2], [3, 0, 0]])
    assert net.class_indices(None, logits).tolist() == [2, 0]


def test_what_argmax_and_argsort_give_can_be_asked_for(net, pair):
    logits = net(pair)
    assert torch.equal(net.class_indices(logits.argmax(1), logits), logits.argmax(1))
    assert torch.equal(net.class_indices(logits.numpy().argmax(1), logits), logits.argmax(1))
    assert net.class_indices(logits[0].argmax(), logits[:1]).tolist() == [logits[0].argmax().item()]


@pytest.mark.parametrize("target", ["bananna", ["apple", "bananna"], ["bananna", 1]], ids=repr)
def test_an_unknown_name_is_a_lookup_error_with_the_nearest(net, pair, target):
    with pytest.raises(LookupError, match="'bananna'.*fruit.*'banana'"):
        net.class_indices(target, net(pair))


def test_a_name_of_a_network_without_names(pair):
    nameless = models.wrap(nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), name="nameless")
    assert nameless.class_indices(2, nameless(pair)).tolist() == [2, 2]
    with pytest.raises(LookupError, match="'apple'.*nameless"):
        nameless.class_indices("apple", nameless(pair))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3, r"\b3\b.*fruit.*\b2\b"),
        (-1, r"-1\b.*fruit.*\b2\b"),
        ([0, 3], r"\b3\b.*fruit.*\b2\b"),
        (torch.tensor([-1, 0]), r"-1\b.*fruit.*\b2\b"),
        ([0, 1, 2], r"\b3\b.*\b2 images"),
        (["apple"] * 3, r"\b3\b.*\b2 images"),
        (1.5, r"1\.5.*whole number"),
        ([1.5, 0], r"1\.5.*whole number"),
        (torch.ones(2), "whole number"),
        (True, "True.*whole number"),
        ([True, False], "True.*whole number"),
        ([], r"\[\].*whole number"),
        (torch.zeros(0, dtype=torch.int64), "whole number"),
        ([None, 1], "None.*whole number"),
        ([[0, 1], 2], r"\b2\b.*\bone\b"),
        ({"apple": 1}, "whole number"),
        (np.array(["apple", "banana"]), "whole number"),
    ],
    ids=repr,
)
def test_everything_else_is_a_value_error_that_names_it(net, pair, target, message):
    with pytest.raises(ValueError, match=message):
        net.class_indices(target, net(pair))


# --- everyone who asks for a class ----------------------------------------------------------------------------------

EACH_IMAGE = {  # from a network, images and a class to one row for each image
    "saliency.class_scores": saliency.class_scores,
    "saliency.gradient": saliency.gradient,
    "saliency.gradient_times_input": saliency.gradient_times_input,
    "saliency.smoothgrad": lambda net, x, target: saliency.smoothgrad(net, x, target, samples=2),
    "saliency.integrated_gradients": lambda net, x, target: saliency.integrated_gradients(net, x, target, steps=2),
    "saliency.grad_cam": saliency.grad_cam,
    "saliency.class_activation_map": saliency.class_activation_map,
    **{f"saliency.METHODS[{name!r}]": method for name, method in saliency.METHODS.items()},
    "adversarial.direction": adversarial.direction,
    "adversarial.fgsm": adversarial.fgsm,
    "adversarial.pgd": lambda net, x, target: adversarial.pgd(net, x, target, steps=2),
    "adversarial.AttackKnobs": lambda net, x, target: (
        last(adversarial.attack(net, x, adversarial.AttackKnobs(2, target=target))).image
    ),
    "ascent.logit": lambda net, x, target: ascent.logit(net, target).score({hooks.OUTPUT: net(x)}),
    "ascent.verdict": lambda net, x, target: ascent.verdict(net, x, target).probability,
}
ONE_IMAGE = {
    "occlusion.occlusion": lambda net, x, target: occlusion.occlusion(net, x[:1], target, 8, 8).heat,
    "occlusion.refining": lambda net, x, target: last(occlusion.refining(net, x[:1], target, 8, 8)).heat,
    "occlusion.saving": lambda net, x, target: torch.tensor(occlusion.saving(net, x[:1], target, 8, 8)),
}
METHODS = EACH_IMAGE | ONE_IMAGE


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_takes_a_class_in_every_form(net, pair, method):
    expected = method(net, pair[:1], 1)
    for target in ONE:
        assert torch.equal(method(net, pair[:1], target), expected), repr(target)


@pytest.mark.parametrize("method", EACH_IMAGE.values(), ids=EACH_IMAGE)
def test_every_method_takes_a_class_for_each_image(net, pair, method):
    expected = method(net, pair, [1, 2])
    for target in BOTH:
        assert torch.equal(method(net, pair, target), expected), repr(target)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("bananna", LookupError, "'bananna'.*'banana'"),
        (3, ValueError, r"\b3\b.*fruit.*\b2\b"),
        ([0, 1], ValueError, r"\b2\b.*\b1 images"),
        (0.5, ValueError, r"0\.5.*whole number"),
    ],
)
def test_every_method_names_a_class_that_is_none(net, pair, method, target, error, message):
    with pytest.raises(error, match=message):
        method(net, pair[:1], target)
