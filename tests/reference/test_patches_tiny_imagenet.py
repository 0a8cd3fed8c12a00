"""On photos of real classes: the top patches of late channels are purer in class than those of early ones."""

import pytest
import torch
from torch import Tensor

from vizlib import models
from vizlib.analysis import patches


def purity(labels: Tensor) -> float:
    """The mean share of the most frequent label in each row."""
    return (labels[:, :, None] == labels[:, None]).float().mean(2).amax(1).mean().item()


@pytest.mark.slow
def test_late_channels_gather_a_class_and_early_ones_do_not(tiny_imagenet):
    net, gallery = models.load("minivgg", "cpu"), tiny_imagenet(10)
    top = patches.scan(net, gallery, ["relu1", "relu4", "relu7"], k=9)
    early, middle, late = (purity(gallery.labels[top.images[layer]]) for layer in top.values)
    draws = torch.rand(1000, len(gallery), generator=torch.Generator().manual_seed(0)).argsort(1)[:, :9]
    chance = purity(gallery.labels[draws])
    print(f"purity: relu1 {early:.3f}, relu4 {middle:.3f}, relu7 {late:.3f}, by chance {chance:.3f}")
    assert late > 1.3 * early and late > 1.3 * middle and late > 1.7 * chance
