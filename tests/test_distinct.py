"""The best patches that do not overlap: against a plain loop, with missing ones, and from another gallery."""

import pytest
import torch

from vizlib import models
from vizlib.analysis import distinct, patches
from vizlib.images import galleries


def by_loop(numbers: list[int], gallery, k: int) -> list[int]:
    """The ranks to keep, with sets and Python alone."""
    overlap, kept = galleries.overlapping(gallery), []
    for rank, number in enumerate(numbers):
        i = gallery.numbers.index(number) if number >= 0 else None
        if i is not None and not any(overlap[i, gallery.numbers.index(numbers[other])] for other in kept):
            kept.append(rank)
    return (kept + [-1] * k)[:k]


def test_the_same_as_a_loop():
    whole = galleries.patches()
    gallery = whole.subset(range(0, len(whole), 2))
    order = torch.rand(30, len(gallery), generator=torch.Generator().manual_seed(0)).argsort(1)[:, :40]
    numbers = torch.tensor(gallery.numbers)[order]
    numbers[3, 20:] = -1
    numbers[4] = -1
    ranks = distinct.distinct_ranks(numbers, gallery, 9)
    assert ranks.tolist() == [by_loop(row, gallery, 9) for row in numbers.tolist()]
    assert (ranks[:3] != torch.arange(9)).any() and ranks[4].eq(-1).all()


def test_mirrored_and_larger_crops_of_the_best_are_left_out():
    net = models.load("minivgg", "cpu")
    gallery = galleries.patches()
    some = gallery.subset(range(0, 120))
    top = patches.scan(net, some, ["relu2", "relu4"], k=60)
    apart = distinct.distinct(top, some, 5)
    overlap = galleries.overlapping(gallery)
    for layer, numbers in apart.images.items():
        assert numbers.shape == (len(top.images[layer]), 5) and torch.equal(numbers[:, 0], top.images[layer][:, 0])
        for row, values in zip(numbers, apart.values[layer], strict=True):
            found = row[row >= 0]
            assert overlap[found][:, found].sum() == len(found), "each overlaps with itself alone"
            assert (values[row < 0] == float("-inf")).all() and values[row >= 0].diff().le(0).all()
    assert torch.equal(apart.patch(gallery, "relu2", 3, 0), top.patch(gallery, "relu2", 3, 0))


def test_images_of_one_photo_each_all_stay():
    pictures = galleries.stack(torch.rand(6, 3, 8, 8), [0] * 6, ["noise"])
    assert distinct.distinct_ranks(torch.tensor([[5, 3, 0, 1]]), pictures, 3).tolist() == [[0, 1, 2]]
    assert distinct.distinct_ranks(torch.tensor([[5, 3]]), pictures, 3).tolist() == [[0, 1, -1]]


@pytest.mark.parametrize(("numbers", "k", "words"), [([[9]], 1, "image 9 is not in gallery"), ([[0]], 0, "k = 0")])
def test_bad_input(numbers, k, words):
    pictures = galleries.stack(torch.rand(6, 3, 8, 8), [0] * 6, ["noise"])
    with pytest.raises(ValueError, match=words):
        distinct.distinct_ranks(torch.tensor(numbers), pictures, k)
