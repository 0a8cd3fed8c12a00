"""The adversarial training script: its attack, and a run on toy images that is cut off and goes on."""

import argparse
from pathlib import Path

import pytest
import torch
import train_robust as script
from train_minivgg import normalize

from vizlib import models


@pytest.fixture(scope="module")
def split() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (24, 3, 64, 64), generator=generator, dtype=torch.uint8), torch.arange(24) % 2


def settings(run: Path) -> argparse.Namespace:
    return argparse.Namespace(
        data=Path(), run=run, steps=4, batch=4, lr=0.01, weight_decay=5e-4, average=0.5, epsilon=1.0, scored=1.0,
        attack_steps=1, seed=1, fp32=True,
    )  # fmt: skip


def test_changes_stay_in_the_ball():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(50, 3, 8, 8, generator=generator)
    lengths = script.random_change(images, 2.0, generator).flatten(1).norm(dim=1)
    assert lengths.max() <= 2.0001 and lengths.min() < 0.5 and lengths.max() > 1.5
    shortened = script.inside(torch.randn(images.shape), 0.5)
    torch.testing.assert_close(shortened.flatten(1).norm(dim=1), torch.full((50,), 0.5))
    small = torch.full((1, 3, 8, 8), 0.01)
    assert torch.equal(script.inside(small, 0.5), small)


def test_the_slope_is_the_gradient_by_finite_differences():
    module = models.load("minivgg", "cpu").module.double()
    image, label = torch.rand(1, 3, 64, 64, dtype=torch.double), torch.tensor([3])
    for loss in (script.cross_entropy, script.margin):
        uphill, _ = script.slope(module, image, label, loss, bf16=False)
        assert uphill.norm().item() == pytest.approx(1, abs=1e-6)
        ahead, back = (loss(module(normalize(image + t * uphill)).double(), label) for t in (1e-4, -1e-4))
        other = torch.randn(image.shape, dtype=torch.double)
        other /= other.norm()
        up, down = (loss(module(normalize(image + t * other)).double(), label) for t in (1e-4, -1e-4))
        cosine = (up - down) / (ahead - back)  # of the two directions, as far as the loss is a plane
        assert cosine.item() == pytest.approx((uphill * other).sum().item(), abs=2e-2)


def test_who_survives(split):
    images, _ = split
    images = images.float() / 255
    module = models.load("minivgg", "cpu").module
    answers = module(normalize(images)).argmax(1)
    assert script.survivors(module, images, answers, 0.0, steps=1).all(), "no change, no loss"
    assert not script.survivors(module, images, (answers + 1) % 200, 0.0, steps=1).any(), "wrong from the start"
    kept = [script.survivors(module, images, answers, e, steps=5).sum().item() for e in (0.05, 0.5, 3.0)]
    assert kept[0] > kept[1] >= kept[2] == 0
    one, three = (script.survivors(module, images, answers, 0.2, steps=3, starts=n) for n in (1, 3))
    assert not (three & ~one).any(), "another start only takes more"


def test_a_run_that_was_cut_off_ends_where_a_whole_one_does(split, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "class_names", lambda data: ([], []))
    monkeypatch.setattr(script, "load_split", lambda data, which, wnids: split)
    monkeypatch.setattr(script, "CHECKED", 4)
    monkeypatch.setattr(script, "CHECKPOINT_SECONDS", 0)
    whole, curve = script.train(settings(tmp_path / "whole"))
    real = script.train_step

    def cut_off(step, *rest):
        if step == 2:
            raise KeyboardInterrupt
        return real(step, *rest)

    monkeypatch.setattr(script, "train_step", cut_off)
    with pytest.raises(KeyboardInterrupt):
        script.train(settings(tmp_path / "cut"))
    monkeypatch.setattr(script, "train_step", real)
    resumed, curve_resumed = script.train(settings(tmp_path / "cut"))
    assert curve_resumed == curve and [row["images"] for row in curve] == [4, 8, 12, 16]
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    began = models.load("minivgg", "cpu").module
    assert any((a - b).abs().max() > 1e-4 for a, b in zip(whole.parameters(), began.parameters(), strict=True))
