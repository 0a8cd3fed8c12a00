"""Pictures with a cue that can be put anywhere, and the measure of how much of a map lies on it."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vizlib import images
from vizlib.analysis import biases


def test_the_digits_are_images_with_two_balanced_labels():
    train, test = biases.digits(4, 9)
    assert len(train.labels) + len(test.labels) == 361 and len(train.labels) == 240
    for part in (train, test):
        images.check(part.images)
        assert part.images.shape[1:] == (3, 32, 32) and part.strokes.shape == part.images[:, 0].shape
        assert 0.4 < part.labels.float().mean() < 0.6 and part.labels.unique().tolist() == [0, 1]


def test_the_strokes_are_the_bright_pixels_and_never_under_the_tag():
    train, _ = biases.digits()
    gray = train.images.mean(1)
    assert gray[train.strokes].mean() > gray[~train.strokes].mean() + 0.3
    assert 0.1 < train.strokes.float().mean() < 0.4
    assert not (train.strokes & biases.TAG).any()


def test_train_and_test_share_no_picture_and_follow_the_seed():
    train, test = biases.digits(3, 8, seed=5)
    again, _ = biases.digits(3, 8, seed=5)
    other, _ = biases.digits(3, 8, seed=6)
    assert torch.equal(train.images, again.images) and not torch.equal(train.images, other.images)
    distances = torch.cdist(test.images.flatten(1), train.images.flatten(1))
    assert distances.min() > 1


def test_the_tag_goes_where_it_is_told_and_nowhere_else():
    train, _ = biases.digits()
    which = train.labels == 1
    changed = biases.tagged(train.images, which)
    assert torch.equal(changed[~which], train.images[~which])
    assert torch.equal(changed[which][..., ~biases.TAG], train.images[which][..., ~biases.TAG])
    assert (changed[which][..., biases.TAG] == torch.tensor(biases.ORANGE)[:, None]).all()
    assert not torch.equal(train.images, changed), "it is a copy"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_the_shares_of_a_region_and_of_the_rest_add_up(seed):
    generator = torch.Generator().manual_seed(seed)
    maps, region = torch.rand(3, 6, 5, generator=generator), torch.rand(6, 5, generator=generator) < 0.5
    inside, outside = biases.share_inside(maps, region), biases.share_inside(maps, ~region)
    assert torch.allclose(inside + outside, torch.ones(3))
    assert torch.allclose(biases.share_inside(maps, region.expand(3, -1, -1)), inside)


def test_a_map_that_knows_nothing_has_the_shares_of_the_area():
    assert biases.share_inside(torch.full((2, 32, 32), 0.3), biases.TAG).tolist() == pytest.approx([25 / 1024] * 2)
    assert biases.share_inside(torch.zeros(1, 32, 32), biases.TAG) == 0
    assert biases.share_inside(biases.TAG[None].float(), biases.TAG) == 1


@pytest.mark.parametrize(("first", "second"), [(4, 4), (4, 10), (-1, 3)])
def test_digits_that_are_none(first, second):
    with pytest.raises(ValueError, match=f"{first}.*{second}.*0 to 9"):
        biases.digits(first, second)


def test_bad_tags_and_regions():
    with pytest.raises(ValueError, match=r"\(N, 3, 32, 32\).*\(3,\)"):
        biases.tagged(torch.rand(2, 3, 32, 32), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(N, 3, 32, 32\).*\(2, 3, 30, 32\)"):
        biases.tagged(torch.rand(2, 3, 30, 32), torch.ones(2, dtype=torch.bool))
    for maps, region in [
        (torch.rand(2, 4, 4), torch.ones(4, 5, dtype=torch.bool)),
        (torch.rand(2, 4, 4) - 2, torch.ones(4, 4, dtype=torch.bool)),
        (torch.rand(2, 4, 4), torch.ones(4, 4)),
    ]:
        given = [re.escape(str(part)) for part in (tuple(maps.shape), tuple(region.shape), region.dtype)]
        with pytest.raises(ValueError, match=r"\(N, H, W\).*" + ".*".join(given)):
            biases.share_inside(maps, region)


def test_a_classifier_is_trained_the_same_way_each_time_and_leaves_the_random_numbers_alone():
    train, test = biases.digits()
    state = torch.get_rng_state()
    nets = [biases.train(train.images[:60], train.labels[:60], "small", epochs=1) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    answers = [net(test.images[:5]) for net in nets]
    assert torch.equal(*answers) and answers[0].shape == (5, 2) and nets[0].classes == ["four", "nine"]
    assert not any(parameter.requires_grad for parameter in nets[0].parameters())
