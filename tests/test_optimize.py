"""The loop on losses whose minimum is known, its knobs while it runs, and what happens when it goes wrong."""

import gc

import psutil
import pytest
import torch
from torch import Tensor

from vizlib import images
from vizlib.optimize import Adam, Diverged, OptimizerKnobs, Pixels, Spectrum, Step, last, minimize
from vizlib.optimize.optimizers import LONGEST_STEP, OPTIMIZERS
from vizlib.optimize.parametrizations import color_matrix, frequency_scale

TARGET = torch.linspace(0.1, 0.9, 3 * 8 * 8).reshape(1, 3, 8, 8)


def distance(image: Tensor, iteration: int) -> dict[str, Tensor]:
    return {"distance": (image - TARGET).square().sum()}


def gray(side: int = 8) -> Pixels:
    return Pixels(torch.full((1, 3, side, side), 0.5))


def spectrum(seed: int = 0) -> Spectrum:
    return Spectrum(1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "steps"), [("adam", 0.05, 200), ("lbfgs", 1.0, 10), ("normalized", 0.002, 300)]
)
@pytest.mark.parametrize("make", [gray, spectrum])
def test_every_optimiser_finds_the_minimum_with_every_parametrisation(make, optimizer, learning_rate, steps):
    picture, learning_rate = make(), learning_rate * (10 if make is spectrum and optimizer == "normalized" else 1)
    run = list(
        minimize(distance, picture, OptimizerKnobs(steps * (4 if make is spectrum else 1), optimizer, learning_rate))
    )
    assert [step.iteration for step in run] == list(range(1, len(run) + 1))
    assert run[-1].losses["distance"] < 0.02 * run[0].losses["distance"]
    assert (run[-1].image - TARGET).abs().max() < 0.1


def test_lbfgs_solves_a_quadratic_in_a_few_steps():
    step = last(minimize(distance, gray(), OptimizerKnobs(8, "lbfgs", 1.0)))
    assert (step.image - TARGET).abs().max() < 1e-3


def test_a_step_holds_the_image_as_it_was_then_and_the_loss_before_it():
    run = minimize(distance, gray(), OptimizerKnobs(3))
    first, second = next(run), next(run)
    assert isinstance(first, Step) and first.losses["distance"] == pytest.approx(
        distance(gray().image(), 0)["distance"].item()
    )
    assert second.losses["distance"] == pytest.approx(distance(first.image, 0)["distance"].item(), rel=1e-5)
    assert not first.image.requires_grad and not torch.equal(first.image, second.image)


def test_knobs_are_read_at_every_step():
    knobs = OptimizerKnobs(steps=100, learning_rate=0.01)
    run, sizes, before = minimize(distance, gray(), knobs), [], torch.full((1, 3, 8, 8), 0.5)
    for step in run:
        sizes.append((step.image - before).abs().max().item())
        before = step.image
        knobs.learning_rate = 0.01 if step.iteration < 3 else 0.001
        if step.iteration == 5:
            knobs.optimizer = "normalized"
        if step.iteration == 8:
            knobs.steps = 8
    assert len(sizes) == 8
    assert sizes[1] > 0.008 and sizes[4] < 0.0015


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "normalized"])
def test_a_picture_may_be_resized_between_two_steps(optimizer):
    picture = gray(8)

    def towards(image: Tensor, iteration: int) -> dict[str, Tensor]:
        return {"distance": (image - torch.linspace(0.1, 0.9, image.shape[3])).square().mean()}

    sizes, totals = [], []
    for step in minimize(towards, picture, OptimizerKnobs(60, optimizer, 0.01)):
        sizes.append(tuple(step.image.shape))
        totals.append(step.losses["distance"])
        if step.iteration == 30:
            picture.resize(16, 24)
    assert sizes[0] == (1, 3, 8, 8) and sizes[30] == (1, 3, 16, 24) and totals[59] < totals[30] < totals[0]


def test_adams_averages_are_stretched_along_with_the_picture():
    """Of two pictures with the same gradients, one was resized half way: Adam's next step is the other's, stretched."""
    picture, large = gray(8), gray(16)

    def halves(image: Tensor, iteration: int) -> dict[str, Tensor]:
        side = image.shape[3] // 2
        return {"loss": (image[..., :side].sum() - 3 * image[..., side:].sum())}

    small_steps, large_steps = (minimize(halves, p, OptimizerKnobs(10, "adam", 0.01)) for p in (picture, large))
    for _ in range(5):
        next(small_steps), next(large_steps)
    picture.resize(16, 16)
    first, second = next(small_steps).image, next(large_steps).image
    far = [0, 1, 2, 13, 14, 15]  # from the edge between the halves, which resizing blurs
    assert torch.allclose(first[..., far], second[..., far], atol=1e-4)


def test_nothing_leaves_zero_to_one_and_the_start_is_not_touched():
    start = torch.full((1, 3, 8, 8), 0.5)
    step = last(minimize(lambda image, i: {"dark": image.sum()}, Pixels(start), OptimizerKnobs(30, learning_rate=0.1)))
    assert step.image.min() == 0 and start.unique().tolist() == [0.5]


def test_the_image_is_changed_after_each_step_when_asked():
    def darken(image: Tensor, gradient: Tensor, iteration: int) -> Tensor:
        assert gradient.shape == image.shape
        return image * 0 + iteration / 10

    run = list(minimize(distance, gray(), OptimizerKnobs(3), after=darken))
    assert [round(step.image.mean().item(), 3) for step in run] == [0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match="Spectrum.*use Pixels"):
        next(minimize(distance, spectrum(), OptimizerKnobs(3), after=darken))


def test_a_loss_that_is_not_finite_ends_it_with_the_last_good_picture():
    def explode(image: Tensor, iteration: int) -> dict[str, Tensor]:
        return {"fine": image.sum(), "bad": image.sum() * (float("nan") if iteration == 3 else 1)}

    picture = gray()
    run = minimize(explode, picture, OptimizerKnobs(9))
    next(run)
    good = next(run).image
    with pytest.raises(Diverged, match=r"step 3\b.*fine.*bad nan.*learning rate"):
        next(run)
    assert torch.equal(picture.image(), good)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (OptimizerKnobs(optimizer="sgdd"), "'sgdd'.*adam, lbfgs, normalized"),
        (OptimizerKnobs(learning_rate=0), r"learning_rate.*\b0\b.*above 0"),
        (OptimizerKnobs(learning_rate=float("nan")), "learning_rate.*nan.*above 0"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        next(minimize(distance, gray(), knobs))


def test_the_same_seed_gives_the_same_image_twice():
    first, second = (last(minimize(distance, spectrum(3), OptimizerKnobs(20))).image for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, last(minimize(distance, spectrum(4), OptimizerKnobs(20))).image)


def test_gradient_mode_is_the_callers_own_between_steps():
    with torch.no_grad():
        run = minimize(distance, gray(), OptimizerKnobs(3))
        next(run)
        assert not torch.is_grad_enabled()
        next(run)


@pytest.mark.slow
def test_memory_stays_flat_over_500_steps():
    run = minimize(
        lambda image, i: {"d": (image - 0.3).square().sum()}, gray(256), OptimizerKnobs(520, learning_rate=0.01)
    )
    for _ in range(20):
        next(run)
    gc.collect()
    before = psutil.Process().memory_info().rss
    for _ in run:
        pass
    gc.collect()
    assert psutil.Process().memory_info().rss - before < 30e6  # one forgotten image a step would be 390 MB


# --- parametrisations -----------------------------------------------------------------------------------------------


def test_a_spectrum_is_made_of_frequencies_and_colours():
    side = 64
    picture = Spectrum(2, side, side, contrast=0.5, generator=torch.Generator().manual_seed(0))
    image = picture.image().detach()
    assert image.shape == (2, 3, side, side) and 0 < image.min() < image.max() < 1
    field = torch.logit(image)
    power = torch.fft.rfft2(field.mean(1)).abs().square().mean(0)
    frequency = 1 / frequency_scale(side, side)
    low, high = power[(frequency < 0.1) & (frequency > 0.03)].mean(), power[frequency > 0.4].mean()
    assert low > 20 * high  # 1/|k|^2, as in natural images
    red, green = field[:, 0].flatten(), field[:, 1].flatten()
    assert torch.corrcoef(torch.stack([red, green]))[0, 1] > 0.7  # colours go together


def test_frequency_scale_of_a_small_picture():
    scale = frequency_scale(4, 6)
    assert scale.shape == (4, 4)
    assert scale[0, 0] == 6 and scale[0, 1] == pytest.approx(6) and scale[2, 3] == pytest.approx(1 / 0.5**0.5)


def test_the_colour_matrix_brightens_first_and_is_what_the_script_measures():
    import measure_colors

    matrix = color_matrix()
    assert (matrix[:, 0] > 0.4).all() and matrix[:, 0].norm() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(matrix, measure_colors.measure(images.photos()).float(), atol=1e-3)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5)])
@pytest.mark.parametrize("power", [0.0, 0.75])
def test_a_spectrum_of_an_image_is_that_image_and_goes_on_at_another_size(size, power):
    start = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    picture = Spectrum.of(start, power)
    torch.testing.assert_close(picture.image(), start.clamp(0.02, 0.98), atol=1e-5, rtol=0)
    (gradient,) = torch.autograd.grad(picture.image().sum(), picture.parameters)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    picture.resize(12, 10)
    expected = images.resize(start.clamp(0.02, 0.98), (12, 10), "bicubic").clamp(0.02, 0.98)
    torch.testing.assert_close(picture.image(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_spectrum_is_optimised_across_a_change_of_size(optimizer):
    picture, knobs = Spectrum.of(torch.full((1, 3, 8, 8), 0.5)), OptimizerKnobs(12, optimizer, 0.5)
    for step in minimize(lambda image, _: {"far": (image - 0.8).square().mean()}, picture, knobs):
        if step.iteration == 4:
            picture.resize(16, 12)
    assert step.image.shape == (1, 3, 16, 12) and step.losses["far"] < 0.02


@pytest.mark.parametrize("odd", [(7, 9), (1, 5), (8, 1)])
def test_odd_sizes_have_a_spectrum_too(odd):
    assert Spectrum(1, *odd).image().shape == (1, 3, *odd)


def test_impossible_pictures_are_refused():
    with pytest.raises(ValueError, match=r"\bn\b.*\b0\b"):
        Spectrum(0, 8, 8)
    with pytest.raises(ValueError, match=r"start.*0 to 2.*\[0, 1\]"):
        Pixels(torch.linspace(0, 2, 12).reshape(1, 3, 2, 2))


def test_optimisers_are_listed():
    assert list(OPTIMIZERS) == ["adam", "lbfgs", "normalized", "sign", "gradient"]


@pytest.mark.parametrize("make", [gray, spectrum])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("adam", torch.optim.Adam),
        ("gradient", torch.optim.SGD),
        ("lbfgs", lambda p, lr: torch.optim.LBFGS(p, lr, 1, history_size=10, tolerance_grad=-1, tolerance_change=-1)),
    ],
)
def test_steps_are_those_of_torch(name, reference, make):
    ours, theirs = make(), make()
    pairs = OPTIMIZERS[name](ours.parameters, lr=0.02), reference(theirs.parameters, lr=0.02)
    for step in range(12):
        for optimizer, picture in zip(pairs, (ours, theirs), strict=True):
            optimizer.param_groups[0]["lr"] = 0.02 if step < 6 else 0.005

            def closure(optimizer=optimizer, picture=picture):
                with torch.enable_grad():
                    optimizer.zero_grad()
                    loss = distance(picture.image(), 1)["distance"]
                    loss.backward()
                return loss

            optimizer.step(closure)
    for one, other in zip(ours.parameters, theirs.parameters, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_adam_trains_a_module_as_that_of_torch_does():
    ours, theirs = (torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)) for _ in "ab")
    theirs.load_state_dict(ours.state_dict())
    unused = torch.nn.Parameter(torch.ones(2))
    options = {"lr": 0.01, "betas": (0.8, 0.99)}
    pairs = Adam([*ours.parameters(), unused], **options), torch.optim.Adam(theirs.parameters(), **options)
    for batch in torch.rand(10, 16, 4):
        for optimizer, module in zip(pairs, (ours, theirs), strict=True):
            optimizer.zero_grad()
            module(batch).square().sum().backward()
            optimizer.step()
    assert unused.equal(torch.ones(2))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_lbfgs_never_moves_the_picture_far_in_one_step():
    """A loss that is flat at first and steep later: the guess from the flat part would overshoot by far."""

    def cliff(image: Tensor, iteration: int) -> dict[str, Tensor]:
        return {"cliff": (1e-3 * image + 50 * (image - 0.7).relu().square()).sum()}

    before, lengths = gray().image().detach(), []
    for step in minimize(distance, gray(), OptimizerKnobs(12, "lbfgs", 1.0)):
        lengths.append((step.image - before).square().mean().sqrt().item())
        before = step.image
    assert max(lengths) < 1.02 * LONGEST_STEP and max(lengths) > 0.9 * LONGEST_STEP
    for make in (gray, spectrum):
        picture = make()
        before = picture.image().detach().clone()
        for step in minimize(cliff, picture, OptimizerKnobs(15, "lbfgs", 1.0)):
            assert (step.image - before).square().mean().sqrt() < 1.02 * LONGEST_STEP
            before = step.image


def test_lbfgs_takes_a_knob_that_is_added_in_mid_run():
    knobs = OptimizerKnobs(6, "lbfgs", 1.0)
    for step in minimize(distance, gray(), knobs):
        knobs.extra = step.iteration  # zip() of two lists of unequal length was what failed
    assert step.iteration == 6


def test_lbfgs_forgets_what_it_knows_of_a_loss_when_a_knob_changes_it():
    """Its first step for the new loss goes straight down the gradient; one that remembers would turn it."""
    knobs, weight = OptimizerKnobs(100, "lbfgs", 1.0), torch.linspace(1, 100, 192).view(1, 3, 8, 8)
    knobs.goal = 0.2

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        return {"to goal": (weight * (image - knobs.goal).square()).sum()}

    def turn() -> float:
        """The cosine between the next step and straight down."""
        before = step.image
        moved = next(run).image - before
        return torch.cosine_similarity(moved.flatten(), (weight * (knobs.goal - before)).flatten(), dim=0).item()

    run = minimize(loss, gray(), knobs)
    for _ in range(5):
        step = next(run)
    assert turn() < 0.9
    step = next(run)
    knobs.goal = 0.8
    assert turn() > 0.999
