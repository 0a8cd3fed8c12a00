"""FGSM and PGD against Captum's, against closed forms on linear networks, and fooling rates on Tiny ImageNet."""

from functools import cache

import pytest
import torch
from captum.robust import FGSM, PGD
from torch import Tensor, nn

from vizlib import images, models
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import adversarial, robustness
from vizlib.synthesis.adversarial import AttackKnobs, attack, direction, fgsm

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")
NAMES = ["minivgg", "resnet18", "squeezenet1_1", "densenet121"]
EPSILON, STEP, STEPS = 2 / 255, 1 / 255, 3  # the third step is taken back into the ball


@cache
def network(name: str) -> Network:
    return models.load(name, device="cpu", weights="trained" if name == "minivgg" else "untrained")


def photos() -> Tensor:
    return torch.cat([images.prepare(images.load(photo), 64) for photo in ("coffee", "chelsea")])


def scaled_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image, so large that Captum takes no gradient for zero (it ignores those under 1e-6)."""
    return 1e9 * nn.functional.cross_entropy(logits, labels, reduction="none")


def assert_same(ours: Tensor, theirs: Tensor, share: float) -> None:
    """Equal but for the few values whose gradient is so near to zero that rounding decides its sign."""
    assert ((ours - theirs).abs() < 1e-5).float().mean() >= share


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_captums(name, targeted):
    net, x = network(name), photos()
    labels = torch.tensor([5, 77]) if targeted else net(x).argmax(1)
    theirs = FGSM(net, scaled_loss, 0, 1).perturb(x.clone(), EPSILON, labels, targeted=targeted)
    assert_same(fgsm(net, x, labels if targeted else None, epsilon=EPSILON), theirs, 0.998)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_many_steps_are_captums(name, targeted):
    net, x = network(name), photos()
    labels = torch.tensor([5, 77]) if targeted else net(x).argmax(1)
    theirs = PGD(net, scaled_loss, 0, 1).perturb(x.clone(), EPSILON, STEP, STEPS, labels, targeted=targeted)
    knobs = AttackKnobs(STEPS, EPSILON, STEP, target=labels if targeted else None)
    assert_same(last(attack(net, x, knobs)).image, theirs, 0.99)


@pytest.mark.parametrize("name", NAMES)
def test_projection_to_the_l2_ball_is_captums(name):
    """Captum takes signed steps in both norms, so what can be compared is the way back into the ball."""
    net, x = network(name), photos()
    labels = net(x).argmax(1)
    radius = 0.01 * x[0].numel() ** 0.5  # Euclidean, as Captum has it
    theirs = PGD(net, scaled_loss, 0, 1).perturb(x.clone(), radius, 0.05, 1, labels, norm="L2")
    assert_same((x + adversarial.project(0.05 * direction(net, x), 0.01, "L2")).clamp(0, 1), theirs, 0.998)


# --- closed forms ---------------------------------------------------------------------------------------------------


def linear() -> tuple[Network, Tensor]:
    """Two classes, linear in the pixels, and the weights of the second's logit minus the first's, in pixel units."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    net = Network(module, [0.5] * 3, [0.25] * 3, name="linear", input_size=8)
    weight = module[1].weight
    return net, ((weight[1] - weight[0]) / 0.25).detach().reshape(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("norm", "optimum"), [("Linf", lambda w: w.abs().sum()), ("L2", lambda w: w.norm() * 192**0.5)]
)
def test_on_a_linear_network_the_best_change_is_known(norm, optimum):
    """Hoelder: of all changes d with |d| <= epsilon, w.d is largest at epsilon |w|_1, or epsilon sqrt(n) |w|_2."""
    net, w = linear()
    gray = torch.full((1, 3, 8, 8), 0.5)
    answer = net(gray).argmax().item()
    towards = w if answer == 0 else -w

    def margin(image: Tensor) -> float:
        logits = net(image)[0]
        return (logits[1 - answer] - logits[answer]).item()

    epsilon = 0.03
    best = margin(gray) + epsilon * optimum(w).item()
    many = last(attack(net, gray, AttackKnobs(20, epsilon, 0.01, norm)))
    assert margin(fgsm(net, gray, epsilon=epsilon, norm=norm)) == pytest.approx(best, rel=1e-4)
    assert margin(many.image) == pytest.approx(best, rel=1e-4)
    assert margin(fgsm(net, gray, 1 - answer, epsilon=epsilon, norm=norm)) == pytest.approx(best, rel=1e-4)
    assert torch.allclose(direction(net, gray, norm=norm), adversarial.unit(towards, norm), atol=1e-4)


def test_random_signs_do_as_much_as_the_l2_norm_says():
    """The variance of w.s over random signs s is the sum of the squared weights."""
    net, w = linear()
    signs = torch.cat([adversarial.random_direction(w, seed=seed) for seed in range(4000)])
    effects = (signs * w).flatten(1).sum(1)
    assert effects.std().item() == pytest.approx(w.norm().item(), rel=0.05)
    assert effects.abs().max() < 0.5 * w.abs().sum(), "no random one comes near to the gradient's signs"


def test_the_attacks_loss_has_the_right_gradient():
    torch.manual_seed(0)
    logits = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    answer, target = torch.tensor([0, 1, 2]), torch.tensor([4, 4, 3])
    for loss in (lambda z: adversarial.attack_loss(z, answer), lambda z: adversarial.attack_loss(z, answer, target)):
        assert torch.autograd.gradcheck(loss, logits)


def test_the_loss_falls_along_the_direction_as_the_gradients_norm_says():
    """Finite differences: the slope along the sign of the gradient is minus its L1 norm, along itself minus its L2."""
    net, x = network("minivgg"), photos()[1:]
    answer = net(x).argmax(1)
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(adversarial.attack_loss(net(x), answer), x)
    x, h = x.detach(), 0.01 / 255
    for norm, slope in (("Linf", gradient.abs().sum()), ("L2", gradient.norm() * gradient.numel() ** 0.5)):
        d = direction(net, x, norm=norm)
        with torch.no_grad():
            ahead, behind = (adversarial.attack_loss(net(x + t * d).double(), answer) for t in (h, -h))
        assert ((behind - ahead) / (2 * h)).item() == pytest.approx(slope.item(), rel=0.05)


# --- photos with labels ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fooling_rates_on_tiny_imagenet(tiny_imagenet):
    """On validation images, not on crops of a few photos: the same picture, and the two controls."""
    net, other = network("minivgg"), models.load("miniresnet", device="cpu")
    gallery = tiny_imagenet(20)
    gallery = gallery.subset(range(0, len(gallery), 8))
    epsilons = [level / 255 for level in (2, 4)]

    def noisy(net: Network, image: Tensor, *, epsilon: float) -> Tensor:
        return adversarial.add(image, adversarial.random_direction(image), epsilon)

    one, noise = (
        robustness.fooling_rates(net, gallery, epsilons, make, judges=(net, other)).shares for make in (fgsm, noisy)
    )
    print("\none step", one.tolist(), "\nrandom signs", noise.tolist())
    assert one[0, 0] > 0.7 and one[0, 1] > 0.85, "small steps fool the network they were made for"
    assert (noise[0] < 0.5 * one[0]).all(), "noise of the same size does far less"
    assert one[1, 0] < 0.7 * one[0, 0], "another network is fooled less"
    assert one[1, 1] > noise[1, 1] + 0.05, "but more than by noise"
