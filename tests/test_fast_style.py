"""The feed-forward style nets: their normalisation against torch's, sizes, blends, training, and what is bundled."""

import copy
import json
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vizlib import assets, images, models
from vizlib.hooks import read
from vizlib.optimize import Diverged, losses, regularizers
from vizlib.synthesis import fast_style
from vizlib.synthesis.fast_style import StyleNet, StyleNorm, stylize
from vizlib.synthesis.style_training import Judge, TrainingKnobs, crops, judge, train


@pytest.fixture(scope="module")
def tiny() -> StyleNet:
    torch.manual_seed(0)
    return StyleNet(["oil", "ink", "glass"], width=4, blocks=1).eval()


@pytest.fixture(scope="module")
def bundled() -> StyleNet:
    return fast_style.load("many_styles", "cpu")


@pytest.fixture
def photo() -> torch.Tensor:
    return images.prepare(images.load("chelsea"), 64)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- the normalisation ----------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 3), c=st.integers(1, 5), h=st.integers(2, 9), w=st.integers(2, 9), seed=st.integers(0, 999))
def test_instance_norm_is_torchs(n, c, h, w, seed):
    maps = 5 * noise(n, c, h, w, seed=seed) - 2
    own, theirs = StyleNorm(c), nn.InstanceNorm2d(c, affine=True)
    with torch.no_grad():
        for ours, other in ((own.scale[0], theirs.weight), (own.shift[0], theirs.bias)):
            other.copy_(noise(c, seed=seed + 1))
            ours.copy_(other)
    torch.testing.assert_close(own(maps, torch.ones(n, 1)), theirs(maps), atol=2e-5, rtol=1e-4)


def test_gradients_of_instance_norm_are_torchs():
    maps = noise(2, 3, 6, 5).double().requires_grad_()
    aim = noise(2, 3, 6, 5, seed=1).double()
    ours = (StyleNorm(3).double()(maps, torch.ones(2, 1).double()) - aim).square().sum()
    theirs = (nn.functional.instance_norm(maps) - aim).square().sum()
    torch.testing.assert_close(*(torch.autograd.grad(loss, maps)[0] for loss in (ours, theirs)))


def test_conditional_norm_is_one_instance_norm_for_each_image():
    maps, own = noise(3, 4, 7, 7), StyleNorm(4, styles=3)
    with torch.no_grad():
        own.scale.copy_(noise(3, 4, seed=1))
        own.shift.copy_(noise(3, 4, seed=2))
    found = own(maps, torch.eye(3)[[2, 0, 1]])
    for i, style in enumerate([2, 0, 1]):
        alone = nn.functional.instance_norm(maps[i : i + 1], weight=own.scale[style], bias=own.shift[style])
        torch.testing.assert_close(found[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_blend_of_styles_is_a_blend_of_their_scales_and_shifts():
    maps, own = noise(1, 4, 7, 7), StyleNorm(4, styles=2)
    with torch.no_grad():
        own.scale.copy_(noise(2, 4, seed=1))
        own.shift.copy_(noise(2, 4, seed=2))
        first, second, both = (own(maps, torch.tensor([w])) for w in ([1.0, 0.0], [0.0, 1.0], [0.3, 0.7]))
    torch.testing.assert_close(both, 0.3 * first + 0.7 * second)


def test_batch_norm_is_torchs_in_training_and_out_of_it():
    own, theirs = StyleNorm(3, norm="batch"), nn.BatchNorm2d(3)
    for seed in range(3):
        maps = 3 * noise(4, 3, 8, 8, seed=seed)
        torch.testing.assert_close(own(maps, torch.ones(4, 1)), theirs(maps))
    own.eval(), theirs.eval()
    torch.testing.assert_close(own(maps, torch.ones(4, 1)), theirs(maps))


def test_instance_norm_forgets_a_photos_contrast_and_batch_norm_does_not():
    maps = noise(2, 3, 16, 16)
    dimmed = torch.cat([0.2 * maps[:1] + 1, maps[1:]])
    one = torch.ones(2, 1)
    torch.testing.assert_close(StyleNorm(3)(dimmed, one), StyleNorm(3)(maps, one), atol=5e-3, rtol=0)
    batch = StyleNorm(3, norm="batch")
    assert (batch(dimmed, one) - batch(maps, one)).abs().max() > 0.5


def test_an_unknown_normalisation_is_named():
    with pytest.raises(ValueError, match="norm.*'layer'.*'instance'.*'batch'"):
        StyleNorm(3, norm="layer")


# --- the network ----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), n=st.integers(1, 2))
def test_the_picture_has_the_photos_size_whatever_that_is(tiny, height, width, n):
    picture = stylize(tiny, noise(n, 3, height, width))
    assert picture.shape == (n, 3, height, width)
    images.check(picture)


def test_an_image_one_pixel_high_is_padded_and_cut_again(tiny):
    assert stylize(tiny, noise(1, 3, 1, 300)).shape == (1, 3, 1, 300)


def test_images_of_a_batch_do_not_see_each_other(tiny):
    two = noise(2, 3, 40, 32)
    torch.testing.assert_close(stylize(tiny, two)[1:], stylize(tiny, two[1:]), atol=1e-5, rtol=1e-4)


def test_each_image_of_a_batch_may_have_its_own_style(tiny):
    photo, trained = noise(1, 3, 32, 32), StyleNet(tiny.styles, 4, 1).eval()
    for parameter in trained.parameters():
        nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        both = trained(photo.expand(2, -1, -1, -1), torch.eye(3)[[2, 1]])
    torch.testing.assert_close(both[:1], stylize(trained, photo, "glass"), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both[1:], stylize(trained, photo, "ink"), atol=1e-5, rtol=1e-4)
    assert (both[0] - both[1]).abs().max() > 0.01


def test_a_photo_of_many_pixels_is_reduced_and_keeps_its_shape(tiny):
    picture = stylize(tiny, noise(1, 3, 300, 600), max_pixels=20_000)
    assert picture.shape == (1, 3, 100, 200)


@pytest.mark.parametrize("photo", [torch.rand(3, 32, 32), torch.rand(1, 1, 32, 32), 255 * torch.rand(1, 3, 8, 8)])
def test_what_is_no_image_is_refused(tiny, photo):
    with pytest.raises(images.ImageError, match="photo.*expected"):
        stylize(tiny, photo)


def test_an_empty_image_is_refused(tiny):
    with pytest.raises(images.ImageError, match=r"photo.*\(1, 3, 0, 32\)"):
        stylize(tiny, torch.rand(1, 3, 0, 32))


# --- blends ---------------------------------------------------------------------------------------------------------


def test_shares_are_brought_to_a_sum_of_one(tiny):
    assert tiny.blend({"glass": 3, "oil": 1}).tolist() == [[0.25, 0.0, 0.75]]
    assert tiny.only("ink").tolist() == tiny.only(1).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("shares", "error", "message"),
    [
        ({"oil": 0.0, "ink": 0.0}, ValueError, "'oil'.*above 0"),
        ({}, ValueError, r"\{\}.*above 0"),
        ({"oil": -1.0}, ValueError, r"'oil'.*-1\.0.*at least 0"),
        ({"oil": float("nan")}, ValueError, "'oil'.*nan.*at least 0"),
        ({"glas": 1.0}, LookupError, "'glas'.*'glass'.*oil, ink, glass"),
    ],
)
def test_shares_that_make_no_blend_are_refused(tiny, shares, error, message):
    with pytest.raises(error, match=message):
        stylize(tiny, torch.rand(1, 3, 32, 32), shares)


def test_an_unknown_style_is_refused_with_the_nearest(tiny):
    with pytest.raises(LookupError, match="'inkk'.*'ink'"):
        stylize(tiny, torch.rand(1, 3, 32, 32), "inkk")


# --- training -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net():
    return models.load("minivgg", "cpu")


@pytest.fixture(scope="module")
def look(net) -> Judge:
    return judge(
        net, [images.prepare(images.style(name), 64) for name in ("mosaic", "whirls")], "relu3", ["relu1", "relu3"]
    )


def test_a_style_image_is_in_its_own_style_and_not_in_the_other(look):
    mosaic = images.prepare(images.style("mosaic"), 64)
    _, own = look.losses(mosaic, mosaic, torch.tensor([[1.0, 0.0]]))
    _, other = look.losses(mosaic, mosaic, torch.tensor([[0.0, 1.0]]))
    assert own < 1e-9 < 0.05 < other


def test_a_photo_keeps_its_own_content(look, photo):
    content, style = look.losses(photo, photo, torch.tensor([[1.0, 0.0]]))
    assert content == 0 and style > 0.1


def test_a_batchs_style_loss_is_the_mean_of_its_images(look, photo):
    both = torch.cat([photo, 1 - photo])
    _, together = look.losses(both, both, torch.eye(2))
    alone = [look.losses(both[i : i + 1], both[i : i + 1], torch.eye(2)[i : i + 1])[1] for i in range(2)]
    torch.testing.assert_close(together, torch.stack(alone).mean())


def test_training_lowers_the_loss_and_changes_no_judge(net, look):
    torch.manual_seed(0)
    before = [parameter.clone() for parameter in net.parameters()]
    student, batch = StyleNet(["mosaic", "whirls"], width=4, blocks=1), crops([images.load("coffee")], 2, 2, 64)(1)
    knobs, photo = TrainingKnobs(steps=16, learning_rate=0.01), noise(1, 3, 64, 64)
    steps = list(train(student, [look], lambda _: batch, knobs, watch=photo))
    totals = [sum(step.losses.values()) for step in steps]
    assert [step.iteration for step in steps] == list(range(1, 17))
    assert max(totals[-3:]) < 0.9 * min(totals[:3])
    torch.testing.assert_close(steps[-1].image, stylize(student, photo))
    assert not steps[-1].image.requires_grad and not student.training
    assert all(a.equal(b) for a, b in zip(before, net.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in net.parameters())


def test_training_is_the_loop_of_the_notebook(net, look):
    """Content, style and roughness of what the painter makes; the gradient of their sum moves its weights."""
    batch = crops([images.load("coffee")], styles=1, batch=2, side=64)
    torch.manual_seed(0)
    ours = StyleNet(["mosaic"], width=4, blocks=1).train()
    theirs = copy.deepcopy(ours)
    grams = {layer: gram[:1] for layer, gram in look.grams.items()}
    adam, totals = torch.optim.Adam(ours.parameters(), lr=0.005), []
    for step in range(1, 4):
        photos, _ = batch(step)
        pictures = ours(photos)
        maps = read(net, pictures, {look.content_layer, *grams}, grad=True)
        wanted = read(net, photos, [look.content_layer])[look.content_layer]
        content = losses.content_loss(maps[look.content_layer], wanted)
        style = sum(losses.style_loss(maps[layer], gram) for layer, gram in grams.items()) / len(grams)
        loss = content + 2 * style + 3 * regularizers.total_variation(pictures)
        adam.zero_grad()
        loss.backward()
        adam.step()
        totals.append(loss.item())
    knobs = TrainingKnobs(steps=3, style_weight=2, learning_rate=0.005)
    steps = train(theirs, [look._replace(grams=grams)], batch, knobs)
    assert [sum(step.losses.values()) for step in steps] == pytest.approx(totals, abs=0.01)


def test_knobs_are_read_at_every_step(look):
    torch.manual_seed(0)
    student, knobs = StyleNet(["mosaic", "whirls"], 4, 1), TrainingKnobs(steps=3)
    steps = train(student, [look], crops([images.load("coffee")], 2, 1, 64), knobs)
    next(steps)
    kept = [parameter.clone() for parameter in student.parameters()]
    knobs.style_weight = knobs.content_weight = knobs.total_variation = 0.0
    assert sum(next(steps).losses.values()) == 0
    assert not all(a.equal(b) for a, b in zip(kept, student.parameters(), strict=True))  # Adam's momentum
    knobs.steps = 2
    assert next(steps, None) is None


def test_pictures_that_are_not_finite_end_the_training(look):
    student, photo = StyleNet(["mosaic", "whirls"], 4, 1), noise(1, 3, 64, 64)
    with pytest.raises(Diverged, match=r"finite.*step 1\b.*learning rate"):
        next(train(student, [look], lambda _: (photo, torch.tensor([[float("inf"), 0.0]])), TrainingKnobs()))
    assert not student.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": float("nan")}, "learning_rate.*nan.*above 0"),
        ({"learning_rate": -1}, "learning_rate.*-1.*above 0"),
        ({"style_weight": -1}, "style_weight.*-1.*at least 0"),
        ({"content_weight": float("inf")}, "content_weight.*inf.*at least 0"),
    ],
)
def test_a_knob_out_of_range_in_mid_run_leaves_the_weights(look, changes, message):
    student, knobs = StyleNet(["mosaic", "whirls"], 4, 1), TrainingKnobs()
    steps = train(student, [look], crops([images.load("coffee")], 2, 1, 64), knobs)
    next(steps)
    kept = [parameter.clone() for parameter in student.parameters()]
    vars(knobs).update(changes)
    with pytest.raises(ValueError, match=message):
        next(steps)
    assert all(a.equal(b) for a, b in zip(kept, student.parameters(), strict=True)) and not student.training


def test_a_frozen_net_says_that_it_is():
    with pytest.raises(ValueError, match=r"frozen.*requires_grad_\(True\)"):
        next(train(fast_style.load("one_style", "cpu"), [], crops([], 1, 1, 64), TrainingKnobs()))


def test_what_was_painted_may_go_on_into_other_techniques(tiny, photo):
    picture = stylize(tiny, photo)
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (picture * weight).sum().backward()
    assert weight.grad is not None and not picture.is_inference()


def test_crops_depend_on_seed_and_step_alone():
    photos = [noise(1, 3, 70, 90), (255 * noise(1, 3, 64, 64, seed=1)).byte()]
    draw, again, other = (crops(photos, 3, 4, 64, seed) for seed in (0, 0, 1))
    (a, weights), (b, same) = draw(5), again(5)
    assert a.equal(b) and weights.equal(same)
    assert not a.equal(other(5)[0]) and not a.equal(draw(6)[0])
    assert a.shape == (4, 3, 64, 64) and weights.sum(1).tolist() == [1, 1, 1, 1]
    images.check(a)


def test_a_photo_smaller_than_the_crop_is_refused():
    with pytest.raises(ValueError, match=r"40x90.*\b64\b"):
        crops([noise(1, 3, 40, 90)], 1, 1, 64)(1)


# --- what is bundled ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", fast_style.BUNDLED)
def test_a_bundled_net_is_small_and_says_how_it_was_trained(name):
    path = assets.data_path(f"{name}.safetensors")
    assert path.stat().st_size < 2_000_000
    net, facts = fast_style.load(name, "cpu"), json.loads(assets.data_path(f"{name}.json").read_text())
    assert net.styles == facts["styles"] and facts["training"]["steps"] > 0
    assert not net.training and not any(parameter.requires_grad for parameter in net.parameters())
    assert all(value.dtype == torch.float16 for value in assets.load_state_dict(path).values())


def test_one_net_has_one_style_and_the_other_at_least_six(bundled):
    assert len(fast_style.load("one_style", "cpu").styles) == 1
    assert len(bundled.styles) >= 6


def test_bundled_styles_are_unlike_each_other_and_keep_the_photo(bundled):
    photo = images.prepare(images.load("china"), 128)
    pictures = [stylize(bundled, photo, style) for style in bundled.styles]
    for picture, other in pairwise(pictures):
        assert (picture - other).abs().mean() > 0.05
    for picture in pictures:
        together = torch.stack([image.mean((0, 1)).flatten() for image in (photo, picture)])
        assert torch.corrcoef(together)[0, 1].abs() > 0.3


def test_a_blend_lies_between_its_styles(bundled):
    photo = images.prepare(images.load("china"), 128)
    a, b = bundled.styles[:2]
    path = [stylize(bundled, photo, {a: 1 - t, b: t}) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    away = [(picture - path[0]).square().mean().item() for picture in path]
    assert all(near < far for near, far in pairwise(away))


@pytest.mark.parametrize("name", fast_style.BUNDLED)
def test_a_bundled_net_comes_nearer_to_its_styles(name):
    scores = json.loads(assets.data_path(f"{name}.json").read_text())["scores"]
    for style, row in scores.items():
        assert row["net_style"] < 0.5 * row["photo_style"], style


def test_an_unknown_net_is_refused():
    with pytest.raises(LookupError, match="'many_style'.*'many_styles'"):
        fast_style.load("many_style")


def test_a_missing_file_is_an_asset_error(tmp_path):
    with pytest.raises(assets.AssetError, match=r"none\.safetensors"):
        fast_style.load(str(tmp_path / "none.safetensors"))


def test_a_damaged_file_is_an_asset_error(tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(assets.data_path("one_style.safetensors").read_bytes()[:1000])
    with pytest.raises(assets.AssetError, match=r"cut\.safetensors.*damaged"):
        fast_style.load(str(path))


def test_weights_of_another_network_are_refused():
    with pytest.raises(assets.AssetError, match=r"minivgg\.safetensors.*train_fast_style"):
        fast_style.load(str(assets.data_path("minivgg.safetensors")))
