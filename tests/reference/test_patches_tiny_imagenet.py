"""On photos of real classes: the top patches of late channels are purer in class than those of early ones."""

import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vizlib import galleries, images, models
from vizlib.analysis import patches

TINY_IMAGENET = Path(__file__).parents[2].parent / "shared" / "datasets" / "tiny-imagenet-200.zip"


@pytest.fixture(scope="module")
def twenty_classes() -> galleries.Gallery:
    """The 50 validation images of every tenth class, 1,000 in all."""
    if not TINY_IMAGENET.is_file():
        pytest.skip("Tiny ImageNet is not beside this checkout")
    with zipfile.ZipFile(TINY_IMAGENET) as archive:
        root = "tiny-imagenet-200/val/"
        rows = [line.split("\t")[:2] for line in archive.read(root + "val_annotations.txt").decode().splitlines()]
        names = sorted({wnid for _, wnid in rows})[::10]
        rows = [(file, wnid) for file, wnid in rows if wnid in names]
        pictures = torch.cat([images.load(archive.read(f"{root}images/{file}")) for file, _ in rows])
    return galleries.stack(pictures, [names.index(wnid) for _, wnid in rows], names, "tiny imagenet")


def purity(labels: Tensor) -> float:
    """The mean share of the most frequent label in each row."""
    return (labels[:, :, None] == labels[:, None]).float().mean(2).amax(1).mean().item()


@pytest.mark.slow
def test_late_channels_gather_a_class_and_early_ones_do_not(twenty_classes):
    net, gallery = models.load("minivgg", "cpu"), twenty_classes
    top = patches.scan(net, gallery, ["relu1", "relu4", "relu7"], k=9)
    early, middle, late = (purity(gallery.labels[top.images[layer]]) for layer in top.values)
    draws = torch.rand(1000, len(gallery), generator=torch.Generator().manual_seed(0)).argsort(1)[:, :9]
    chance = purity(gallery.labels[draws])
    print(f"purity: relu1 {early:.3f}, relu4 {middle:.3f}, relu7 {late:.3f}, by chance {chance:.3f}")
    assert late > 1.3 * early and late > 1.3 * middle and late > 1.7 * chance
