"""Adversarial examples: never out of the ball, knobs that act while it runs, a network left as it was, the rates."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vizlib import images, models
from vizlib.images import galleries
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import adversarial, robustness
from vizlib.synthesis.adversarial import NORMS, AttackKnobs, add, attack, direction, fgsm, fooling, pgd, project, size

ROUNDING = 0.5 / 255  # how far 8 bits may move a value
EPSILONS = st.floats(0.001, 1)


def small_net() -> Network:
    """Four classes of 6x6 pixels, smooth and different in every pixel."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.Tanh(), nn.Linear(16, 4))
    return Network(module, [0.5] * 3, [0.25] * 3, list("abcd"), "small", 6)


def pictures(seed: int, n: int = 2) -> Tensor:
    """Images with many values at 0 and at 1, where an attack would leave the range first."""
    return (1.4 * torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) - 0.2).clamp(0, 1)


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def cat() -> Tensor:
    return images.prepare(images.load("chelsea"), 64)


def stored(batch: Tensor) -> Tensor:
    return torch.cat([images.load(images.to_bytes(image[None])) for image in batch])


# --- the ball -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    epsilon=EPSILONS,
    step_size=EPSILONS,
    norm=st.sampled_from(list(NORMS)),
    target=st.sampled_from([None, 2, "d"]),
    random_start=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_no_step_leaves_the_ball_or_the_range(epsilon, step_size, norm, target, random_start, seed):
    image, knobs = pictures(seed), AttackKnobs(4, epsilon, step_size, norm, target, random_start)
    for step in attack(small_net(), image, knobs, seed):
        assert (size(step.image - image, norm) <= epsilon * (1 + 1e-5) + 1e-7).all()
        assert step.image.min() >= 0 and step.image.max() <= 1
    assert (size(stored(step.image) - image, norm) <= epsilon + ROUNDING + 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(epsilon=EPSILONS, norm=st.sampled_from(list(NORMS)), seed=st.integers(0, 1000))
def test_one_step_and_noise_stay_in_the_ball_too(epsilon, norm, seed):
    image, net = pictures(seed), small_net()
    for changed in (
        fgsm(net, image, epsilon=epsilon, norm=norm),
        add(image, adversarial.random_direction(image, norm), epsilon),
    ):
        assert (size(changed - image, norm) <= epsilon * (1 + 1e-5) + 1e-7).all()
        assert changed.min() >= 0 and changed.max() <= 1
        assert (size(stored(changed) - image, norm) <= epsilon + ROUNDING + 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(epsilon=EPSILONS, norm=st.sampled_from(list(NORMS)), seed=st.integers(0, 1000))
def test_projecting_gives_the_nearest_change_inside(epsilon, norm, seed):
    generator = torch.Generator().manual_seed(seed)
    change, inside = (torch.randn(3, 3, 4, 4, generator=generator) for _ in range(2))
    nearest = project(change, epsilon, norm)
    assert (size(nearest, norm) <= epsilon * (1 + 1e-5)).all()
    assert torch.allclose(project(nearest, epsilon, norm), nearest, atol=1e-6)
    others = project(inside, epsilon, norm)
    assert ((change - nearest).flatten(1).norm(dim=1) <= (change - others).flatten(1).norm(dim=1) + 1e-5).all()


@pytest.mark.parametrize("norm", NORMS)
def test_directions_have_size_one_and_a_zero_gradient_gives_no_nan(norm):
    image = pictures(0)
    assert torch.allclose(size(direction(small_net(), image, norm=norm), norm), torch.ones(2))
    assert torch.allclose(size(adversarial.random_direction(image, norm), norm), torch.ones(2))
    assert adversarial.unit(torch.zeros(1, 3, 2, 2), norm).eq(0).all()
    assert project(torch.zeros(1, 3, 2, 2), 0.0, norm).eq(0).all()


def test_the_size_of_l2_is_the_root_mean_square():
    change = torch.tensor([3.0, -4.0, 0.0]).reshape(1, 3, 1, 1)
    assert size(change, "L2").item() == pytest.approx((25 / 3) ** 0.5) and size(change, "Linf").item() == 4


# --- while it runs --------------------------------------------------------------------------------------------------


def test_the_loss_falls_and_the_target_is_reached(net, cat):
    steps = list(attack(net, cat, AttackKnobs(12, 4 / 255, 1 / 255, target="goldfish")))
    assert [step.iteration for step in steps] == list(range(1, 13))
    assert steps[-1].losses["loss"] < 0.2 * steps[0].losses["loss"]
    assert net.predict(steps[-1].image, 1)[0][0].name == "goldfish"
    assert steps[0].losses["loss"] == pytest.approx(-net(cat).log_softmax(1)[0, net.class_index("goldfish")].item())


def test_every_knob_acts_on_the_next_step():
    image, knobs = pictures(3, 1), AttackKnobs(100, 0.2, 0.1)
    run = attack(small_net(), image, knobs)
    assert size(next(run).image - image).item() == pytest.approx(0.1)
    assert size(next(run).image - image).item() <= 0.2 + 1e-6
    knobs.epsilon = 0.05
    assert size(next(run).image - image).item() == pytest.approx(0.05)
    before, knobs.epsilon, knobs.step_size = next(run).image, 0.5, 0.01
    assert size(next(run).image - before).item() == pytest.approx(0.01)
    before, knobs.norm, knobs.step_size = next(run).image, "L2", 0.003
    after = next(run).image
    assert size(after - before, "L2").item() <= 0.003 + 1e-6
    assert len((after - before).abs().flatten().round(decimals=6).unique()) > 20, "no longer the same for every value"
    knobs.steps = 7
    assert next(run, None) is None


def test_a_target_named_while_it_runs_is_followed(net, cat):
    knobs = AttackKnobs(30, 6 / 255, 1 / 255, target="espresso")
    names = [net.predict(step.image, 1)[0][0].name for step in _turned(attack(net, cat, knobs), knobs, 12, "goldfish")]
    assert names[11] == "espresso" and names[-1] == "goldfish"


def _turned(run, knobs, at, target):
    for step in run:
        yield step
        if step.iteration == at:
            knobs.target = target


def test_each_image_of_a_batch_is_attacked_on_its_own(net):
    pair = torch.cat([images.prepare(images.load(name), 64) for name in ("chelsea", "coffee")])
    wanted = torch.tensor([net.class_index("goldfish"), net.class_index("school bus")])
    both = pgd(net, pair, wanted, epsilon=12 / 255, steps=15)
    assert net(both).argmax(1).tolist() == wanted.tolist()
    knobs = AttackKnobs(3, 4 / 255, 1 / 255)
    together, alone = (last(attack(net, x, knobs)).image[:1] for x in (pair, pair[:1]))
    assert ((together - alone).abs() < 1e-6).float().mean() > 0.99


def test_the_same_seed_gives_the_same_image_twice():
    def run(seed: int) -> Tensor:
        return last(attack(small_net(), pictures(1), AttackKnobs(2, 0.3, 0.01, random_start=True), seed)).image

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


@pytest.mark.parametrize("norm", NORMS)
def test_noise_becomes_a_class_and_stays_noise(net, norm):
    knobs = AttackKnobs(25, 16 / 255, 3 / 255, norm, target="king penguin")
    steps = list(fooling(net, knobs, n=1, seed=4))
    start = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    assert (net(steps[-1].image).softmax(1)[:, net.class_index("king penguin")] > 0.9).all()
    assert (size(steps[-1].image - start, norm) <= 16 / 255 + 1e-6).all()


def test_the_network_is_left_as_it_was_even_by_a_run_that_nobody_finishes():
    net = small_net()
    net.module.train()
    before = copy.deepcopy(net.state_dict())
    run = attack(net, pictures(0), AttackKnobs(5))
    next(run)
    run.close()
    with pytest.raises(ValueError, match="target"):
        next(attack(net, pictures(0), AttackKnobs(5, target=9)))
    direction(net, pictures(0))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(part.training for part in net.module.modules()), "it is still being trained"
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_the_image_given_is_not_changed_and_the_steps_hold_no_graph():
    image = pictures(0)
    kept = image.clone()
    steps = list(attack(small_net(), image, AttackKnobs(3, 0.1, 0.05)))
    assert torch.equal(image, kept) and not any(step.image.requires_grad for step in steps)
    assert not torch.equal(steps[0].image, steps[1].image), "an earlier step is not changed by a later one"


# --- what cannot be done --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epsilon": -0.1}, r"epsilon.*-0\.1.*0 to 1"),
        ({"epsilon": 8}, r"epsilon.*\b8\b.*1/255"),
        ({"epsilon": float("nan")}, "epsilon.*nan.*0 to 1"),
        ({"norm": "L7"}, "'L7'.*Linf.*L2"),
        ({"target": 4}, r"target 4\b.*small.*\b3\b"),
        ({"target": -1}, r"target -1\b.*small.*\b3\b"),
        ({"target": torch.tensor([0, 1, 2])}, r"\b3\b.*\b2 images"),
    ],
)
def test_errors_name_the_value_and_what_to_do(wrong, message):
    values = {"epsilon": 0.1, "norm": "Linf", "target": None} | wrong
    with pytest.raises(ValueError, match=message):
        fgsm(small_net(), pictures(0), **values)
    with pytest.raises(ValueError, match=message):
        next(attack(small_net(), pictures(0), AttackKnobs(2, **values)))


def test_other_errors_are_clear_too():
    with pytest.raises(LookupError, match="'e'.*small"):
        fgsm(small_net(), pictures(0), "e")
    for act in (
        lambda image: fgsm(small_net(), image),
        lambda image: next(attack(small_net(), image, AttackKnobs())),
    ):
        with pytest.raises(images.ImageError, match=r"\b2\b.*\[0, 1\]"):
            act(pictures(0) * 2)
    with pytest.raises(ValueError, match=r"\b0\b.*above 0"):
        next(attack(small_net(), pictures(0), AttackKnobs(step_size=0)))
    knobs = AttackKnobs(5, 0.1, 0.05)
    run = attack(small_net(), pictures(0), knobs)
    before = next(run)
    knobs.target = "nobody"
    with pytest.raises(LookupError, match="nobody"):
        next(run)
    assert before.image.isfinite().all()


# --- the measurements -----------------------------------------------------------------------------------------------


def noisy(net: Network, image: Tensor, *, epsilon: float) -> Tensor:
    return add(image, adversarial.random_direction(image), epsilon)


@pytest.fixture(scope="module")
def sure(net) -> galleries.Gallery:
    """Crops of which the network is sure."""
    crops = galleries.patches()
    crops = crops.subset(range(0, len(crops), 6))
    with torch.no_grad():
        chance = net(crops.batch(range(len(crops)), 64)).softmax(1).amax(1)
    return crops.subset((chance > 0.5).nonzero()[:, 0].tolist())


def test_small_steps_fool_and_noise_of_that_size_does_not(net, sure):
    epsilons = [level / 255 for level in (1, 2, 4, 8)]
    steps = list(robustness.measuring(net, sure, epsilons, fgsm, batch=10))
    assert [step.done for step in steps][-1] == steps[0].total == len(sure)
    one, noise = steps[-1].shares[0], robustness.fooling_rates(net, sure, epsilons, noisy).shares[0]
    assert one[1] > 0.5 and one[2] > 0.7 and (one[1:] >= one[:-1] - 0.1).all()
    assert noise[2] < 0.15 and (noise < one).all()


def test_rates_are_the_shares_of_changed_answers_for_every_judge(net, sure):
    other = models.load("miniresnet", device="cpu")
    few = sure.subset(range(7))
    rates = robustness.fooling_rates(net, few, [0.0, 4 / 255], fgsm, judges=(net, other), batch=3)
    clean = few.batch(range(7), 64)
    made = fgsm(net, clean, epsilon=4 / 255)
    by_hand = [(judge(clean).argmax(1) != judge(made).argmax(1)).float().mean().item() for judge in (net, other)]
    assert rates.shares[:, 0].eq(0).all() and (rates.done, rates.total) == (7, 7)
    assert rates.shares[:, 1].tolist() == pytest.approx(by_hand)


def test_a_judge_made_for_another_size_sees_the_images_at_its_own(net, sure):
    larger = models.load("alexnet", weights="untrained", device="cpu")
    few, seen = sure.subset(range(2)), []
    with larger.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:]))):
        robustness.fooling_rates(net, few, [0.01], fgsm, judges=(net, larger), side=80)
    assert set(seen) == {(224, 224)}
    clean = few.batch(range(2), 64)
    assert robustness.at_home(net, net, clean) is clean


def test_an_empty_gallery_fools_nobody_and_is_named():
    empty = galleries.stack(pictures(0), [0, 0], ["any"], "my photos").subset([])
    for ask in (robustness.fooling_rates, lambda *asked: next(robustness.measuring(*asked))):
        with pytest.raises(ValueError, match="'my photos'.*empty"):
            ask(small_net(), empty, [0.1], fgsm)


def test_it_survives_png_and_a_quarter_of_a_level_does_not(net, cat, tmp_path):
    clean = images.load(images.save(cat, tmp_path / "clean.png"))
    for norm in NORMS:
        made = pgd(net, clean, epsilon=3 / 255, norm=norm)
        read = images.load(images.save(made, tmp_path / "made.png"))
        assert robustness.fooled(net, clean, made).all() and robustness.fooled(net, clean, read).all()
    tiny = images.load(images.save(fgsm(net, clean, epsilon=0.25 / 255), tmp_path / "tiny.png"))
    assert torch.equal(tiny, clean)


def test_along_a_line_a_linear_network_is_linear():
    module = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    net = Network(module, [0.5] * 3, [0.25] * 3, name="linear", input_size=6)
    image, d = torch.full((1, 3, 6, 6), 0.5), adversarial.random_direction(torch.zeros(1, 3, 6, 6))
    logits = robustness.along(net, image, d, [-0.2, 0.0, 0.1, 0.2])
    slope = module[1](d.flatten(1) / 0.25) - module[1].bias
    assert torch.allclose(logits, net(image) + torch.tensor([-0.2, 0, 0.1, 0.2])[:, None] * slope, atol=1e-5)
