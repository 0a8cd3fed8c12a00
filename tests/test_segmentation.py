"""Seeds and GrabCut; and whether the boxes around what they find are right, where somebody has framed the objects."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vizlib import images, models
from vizlib.analysis import saliency
from vizlib.analysis import segmentation as seg
from vizlib.images import Box

TINY_IMAGENET = Path(__file__).parents[2] / "shared" / "datasets" / "tiny-imagenet-200.zip"


def disc(side: int = 64, radius: int = 16) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (rows - side // 2) ** 2 + (columns - side // 3) ** 2 < radius**2


def red_on_green(mask: torch.Tensor) -> torch.Tensor:
    """A red object on green, with some noise."""
    colors = torch.where(
        mask, torch.tensor([0.8, 0.2, 0.1])[:, None, None], torch.tensor([0.2, 0.6, 0.3])[:, None, None]
    )
    noise = 0.05 * torch.randn(colors.shape, generator=torch.Generator().manual_seed(0))
    return (colors + noise).clamp(0, 1)[None]


# --- seeds ----------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.02, 0.4), st.floats(0.02, 0.5))
def test_seeds_have_the_shares_that_were_asked_for(seed, sure, background):
    heat = torch.rand(32, 40, generator=torch.Generator().manual_seed(seed))
    labels = seg.seeds(heat, sure, background, smooth=0)
    assert (labels == seg.SURE_OBJECT).float().mean().item() == pytest.approx(sure, abs=0.002)
    assert (labels == seg.SURE_BACKGROUND).float().mean().item() == pytest.approx(background, abs=0.002)
    assert heat[labels == seg.SURE_OBJECT].min() > heat[labels != seg.SURE_OBJECT].max()
    assert heat[labels == seg.SURE_BACKGROUND].max() < heat[labels != seg.SURE_BACKGROUND].min()


def test_smoothing_joins_dots():
    dots = disc().float() * (torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) < 0.2)
    sure = seg.seeds(dots, smooth=0.06) == seg.SURE_OBJECT
    assert disc()[sure].all() and seg.largest_piece(sure.numpy()).sum() == sure.sum(), "one piece, within the disc"


def test_a_map_that_is_the_same_everywhere_says_nothing():
    for heat in (torch.zeros(9, 9), torch.full((9, 9), 0.3)):
        assert (seg.seeds(heat) == seg.MAYBE_BACKGROUND).all()


@pytest.mark.parametrize("options", [{"sure": 0}, {"background": 0}, {"sure": 0.6, "background": 0.5}, {"smooth": -1}])
def test_bad_shares(options):
    with pytest.raises(ValueError, match=r"{}\b.*{}.*above 0".format(*next(iter(options.items())))):
        seg.seeds(torch.rand(8, 8), **options)


def test_a_map_with_nan_is_named():
    for value in (torch.nan, torch.inf):
        heat = torch.rand(8, 8)
        heat[2, 3] = value
        with pytest.raises(ValueError, match="saliency.*NaN or infinite"):
            seg.seeds(heat)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_constant_image_and_a_map_of_zeros(level):
    image = torch.full((1, 3, 32, 32), level)
    nothing = seg.segment(image, torch.zeros(32, 32))
    assert not nothing.cut and not nothing.mask.any()
    assert seg.segment(image, disc(32, 8).float()).mask.shape == (32, 32)


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"saliency.*\(H, W\).*\(1, 8, 8\)"):
        seg.seeds(torch.rand(1, 8, 8))
    with pytest.raises(ValueError, match=r"\(8, 8\).*\(9, 9\).*resize"):
        seg.segment(torch.rand(1, 3, 9, 9), torch.rand(8, 8))


# --- GrabCut --------------------------------------------------------------------------------------------------------


def test_a_few_seeds_are_enough_for_an_object_of_another_colour():
    mask = disc()
    image = red_on_green(mask)
    heat = disc(radius=6).float()  # only the middle of it is salient
    found = seg.segment(image, heat, sure=0.02, background=0.3)
    assert found.cut and found.mask.dtype == torch.bool
    assert (found.mask & mask).sum() / (found.mask | mask).sum() > 0.95
    assert Box.around(found.mask).overlap(Box.around(mask)) > 0.9
    assert (found.seeds == seg.SURE_OBJECT).float().mean() < 0.05


def test_it_is_the_cut_of_the_lesson():
    photo = images.prepare(images.load("coffee"), 64)
    heat = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) + disc()
    smooth = ndimage.gaussian_filter(heat.double().numpy(), 0.06 * 64)
    seeds = np.where(smooth > smooth.mean(), cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    seeds[smooth <= np.quantile(smooth, 0.2)] = cv2.GC_BGD
    seeds[smooth >= np.quantile(smooth, 0.9)] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    labels, colors = seeds.astype(np.uint8), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(images.to_array(photo), labels, None, *colors, 5, cv2.GC_INIT_WITH_MASK)
    mask = seg.largest_piece((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    found = seg.segment(photo, heat)
    assert np.array_equal(found.seeds, seeds) and np.array_equal(found.mask, mask)


def test_the_same_seed_gives_the_same_mask_with_any_number_of_threads():
    image, heat = (
        images.prepare(images.load("coffee"), 64),
        torch.rand(64, 64, generator=torch.Generator().manual_seed(0)),
    )
    before, masks = cv2.getNumThreads(), []
    try:
        for threads in (1, 2, 1):
            cv2.setNumThreads(threads)
            cv2.setRNGSeed(threads + 5)  # whatever state somebody else has left
            masks.append(seg.segment(image, heat).mask)
    finally:
        cv2.setNumThreads(before)
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])
    assert masks[0].any()


def test_nothing_to_go_by():
    found = seg.segment(torch.rand(1, 3, 16, 16), torch.zeros(16, 16))
    assert not found.cut and not found.mask.any()
    everything = seg.grabcut(torch.rand(1, 3, 16, 16), torch.full((16, 16), seg.SURE_OBJECT, dtype=torch.uint8))
    assert not everything.cut and everything.mask.all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 100), st.booleans())
def test_small_and_plain_images_do_no_harm(height, width, seed, plain):
    generator = torch.Generator().manual_seed(seed)
    image = torch.full((1, 3, height, width), 0.5) if plain else torch.rand(1, 3, height, width, generator=generator)
    heat, kept = torch.rand(height, width, generator=generator), image.clone()
    found = seg.segment(image, heat)
    assert found.mask.shape == (height, width) and torch.equal(image, kept)
    assert found.seeds.max() <= 3 and (found.cut or height * width < 50)


def test_only_the_largest_piece_is_kept():
    mask = np.zeros((6, 6), dtype=bool)
    mask[0, :2] = mask[2:5, 2:5] = True
    mask[5, 5] = True  # touches at a corner only
    assert seg.largest_piece(mask).sum() == 9 and seg.largest_piece(mask)[3, 3]
    assert not seg.largest_piece(np.zeros((3, 3), dtype=bool)).any()


# --- on real images -------------------------------------------------------------------------------------------------


def framed(count: int, seed: int) -> Iterator[tuple[torch.Tensor, str, Box]]:
    """Random validation images of Tiny ImageNet, each with its class's name and the box around its object."""
    with zipfile.ZipFile(TINY_IMAGENET) as archive:
        table = archive.read("tiny-imagenet-200/val/val_annotations.txt").decode().splitlines()
        words = dict(line.split("\t") for line in archive.read("tiny-imagenet-200/words.txt").decode().splitlines())
        for i in np.random.default_rng(seed).permutation(len(table))[:count]:
            file, wnid, *numbers = table[i].split("\t")
            left, top, right, bottom = map(int, numbers)
            image = images.load(archive.read(f"tiny-imagenet-200/val/images/{file}"))
            yield image, words[wnid].split(",")[0], Box(top, bottom + 1, left, right + 1)


def smoothgrad(net: models.Network, batch: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return saliency.importance(saliency.smoothgrad(net, batch, target, samples=4, noise=0.2))


@pytest.mark.slow
@pytest.mark.skipif(not TINY_IMAGENET.exists(), reason="needs Tiny ImageNet, with the boxes of its validation images")
@pytest.mark.parametrize(("method", "count"), [(smoothgrad, 50), (saliency.grad_cam, 100)])
def test_boxes_beat_centred_ones_of_the_same_area(method, count):
    """The parameters were chosen on other images (seed 1). Said over all images, and over those named correctly."""
    net = models.load("minivgg", device="cpu")
    ours, blind, right = [], [], []
    for image, name, truth in framed(count, seed=2):
        target = saliency.predicted(net, image)
        maps = saliency.resized(method(net, images.resize(image, 96), target), image)  # its maps are finer at 96 pixels
        box = Box.around(seg.segment(image, maps[0]).mask)
        ours.append(box.overlap(truth))
        blind.append(Box.centered(box.area, 64, 64).overlap(truth))
        right.append(net.classes[target.item()] == name)
    ours, blind, right = np.array(ours), np.array(blind), np.array(right)
    gain = ours - blind
    print(f"\nall {len(gain)}: {ours.mean():.3f} against {blind.mean():.3f} +- {gain.std() / len(gain) ** 0.5:.3f}")
    print(f"{right.sum()} named correctly: {ours[right].mean():.3f} against {blind[right].mean():.3f}")
    assert gain.mean() > 0.02, "saliency and colours should find more than the middle of the image"
    if count >= 100:  # on 400 images the difference is 0.065 +- 0.015: on fifty it may be anything
        assert gain[right].mean() > gain[~right].mean(), "and more where the network knows what it sees"
