"""The training script on a toy copy of Tiny ImageNet's layout, and what it shipped."""

import argparse
import csv
import json
import re
from pathlib import Path

import pytest
import torch
import train_minivgg as script
from torchvision.transforms.v2.functional import to_pil_image

from vizlib import assets, models

WNIDS = ["n01", "n02"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, dark and bright, of eight training and four validation images."""
    folder, generator = tmp_path_factory.mktemp("tiny"), torch.Generator().manual_seed(0)
    (folder / "wnids.txt").write_text("\n".join(WNIDS))
    (folder / "words.txt").write_text("n01\tnight, dark\nn02\tday, daylight\nn99\tnot in the set\n")
    (folder / "val" / "images").mkdir(parents=True)
    annotations = []
    for label, wnid in enumerate(WNIDS):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        for i in range(12):
            image = (torch.randint(0, 80, (3, 64, 64), generator=generator) + 150 * label).to(torch.uint8)
            place = folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG" if i < 8 else None
            name = f"val_{label}_{i}.JPEG"
            to_pil_image(image).save(place or folder / "val" / "images" / name)
            if place is None:
                annotations.append(f"{name}\t{wnid}\t0\t0\t63\t63")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(annotations) + "\n")
    return folder


def settings(data: Path, run: Path, epochs: int = 3) -> argparse.Namespace:
    return argparse.Namespace(
        arch="minivgg", data=data, run=run, epochs=epochs, batch=4, lr=0.02, weight_decay=5e-4, seed=1, fp32=True
    )


@pytest.fixture
def five_best_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy has two classes, so there is no top-5."""
    monkeypatch.setattr(script, "accuracy", lambda *_: (0.5, 1.0))


def test_a_run_that_was_cut_off_ends_where_a_whole_one_does(toy, tmp_path, monkeypatch, five_best_of_two):
    whole, curve = script.train(settings(toy, tmp_path / "whole"))
    real, calls = script.train_epoch, []

    def cut_off(epoch, *rest):
        if epoch == 2 and not calls:
            calls.append(epoch)
            raise KeyboardInterrupt
        return real(epoch, *rest)

    monkeypatch.setattr(script, "train_epoch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        script.train(settings(toy, tmp_path / "cut"))
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["checkpoint.pt"]
    resumed, resumed_curve = script.train(settings(toy, tmp_path / "cut"))
    assert [row["train_loss"] for row in resumed_curve] == [row["train_loss"] for row in curve]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_names_and_splits_follow_the_official_layout(toy):
    assert script.class_names(toy) == (WNIDS, ["night", "day"])
    images, labels = script.load_split(toy, "val", WNIDS)
    assert images.shape == (8, 3, 64, 64) and images.dtype == torch.uint8
    assert torch.equal(images.float().mean((1, 2, 3)) > 100, labels == 1)


def test_augmented_images_have_the_side_and_stay_the_same_for_a_seed():
    images = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    one, two = (script.augment(images, 48, 0.3, torch.Generator().manual_seed(0)) for _ in range(2))
    assert one.shape == (6, 3, 48, 48) and torch.equal(one, two)
    pixels = one * torch.tensor(script.STD)[:, None, None] + torch.tensor(script.MEAN)[:, None, None]
    assert pixels.min() > -1e-5 and pixels.max() < 1 + 1e-5


def test_the_learning_rate_rises_for_a_fifth_and_falls_to_nearly_nothing():
    rates = [script.one_cycle(step, 100, 0.15) for step in range(100)]
    assert rates[0] == 0 and max(rates) == pytest.approx(0.15, rel=2e-3) and rates.index(max(rates)) == 20
    assert rates[:20] == sorted(rates[:20]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] < 0.001


@pytest.mark.parametrize("arch", ["minivgg", "miniresnet"])
def test_what_ships_is_what_the_report_says(arch):
    report = json.loads(assets.data_path(f"{arch}.json").read_text())
    net = models.load(arch, device="cpu")
    assert sum(parameter.numel() for parameter in net.parameters()) == report["parameters"]
    assert report["tiny_imagenet_val"]["images"] == 10_000 and report["tiny_imagenet_val"]["top1"] >= 0.42
    sides = report["imagenet_photos"]["shorter_sides"]
    assert list(sides) == ["64", "96", "128", "160", "224"]
    assert net.input_size == report["input_size"] == int(max(sides, key=lambda side: sides[side]["top1"]))
    with open(assets.data_path(f"{arch}_curve.csv"), newline="") as file:
        curve = list(csv.DictReader(file))
    assert len(curve) == report["training"]["epochs"]
    assert float(curve[-1]["val_top1"]) == pytest.approx(report["tiny_imagenet_val"]["top1"], abs=0.003)


@pytest.mark.parametrize("arch", ["minivgg", "miniresnet"])
def test_the_guide_quotes_the_report(arch):
    report = json.loads(assets.data_path(f"{arch}.json").read_text())
    guide = (Path(script.__file__).parent.parent / "docs" / "networks.md").read_text()
    scores = [report["tiny_imagenet_val"], *report["imagenet_photos"]["shorter_sides"].values()]
    for score in scores:
        assert f"| {score['top1']:.1%} | {score['top5']:.1%} |" in guide


def test_no_data_is_one_sentence(tmp_path):
    (tmp_path / "val" / "images").mkdir(parents=True)
    (tmp_path / "val" / "val_annotations.txt").write_text("")
    with pytest.raises(SystemExit, match=rf"{re.escape(str(tmp_path))}.*--data.*tiny-imagenet-200"):
        script.load_split(tmp_path, "val", WNIDS)
