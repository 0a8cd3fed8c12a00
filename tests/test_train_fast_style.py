"""The training script of the style nets on a toy: it learns, resumes as if never stopped, and ships what loads."""

import argparse
import csv
import json
from pathlib import Path

import pytest
import torch
import train_fast_style as script

from vizlib import images
from vizlib.synthesis import fast_style


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("coffee", "rocket", "china"):
        images.save(images.resize(images.load(name), 130), folder / f"{name}.jpg")
    (folder / "notes.txt").write_text("no photo")
    return folder


def settings(photos: Path, run: Path, **changes: object) -> argparse.Namespace:
    given = ["--name", "toy", "--styles", "mosaic,whirls", "--photos", str(photos), "--run", str(run)]
    given += ["--size", "128", "--style-size", "64", "--steps", "8", "--every", "2", "--batch", "2"]
    given += ["--width", "4", "--blocks", "1", "--fp32", "--out", str(run)]
    args = script.arguments(given)
    vars(args).update(changes)
    return args


def finish(steps):
    *_, (net, curve) = steps
    return net.state_dict(), curve


def test_a_run_that_was_cut_off_ends_where_a_whole_one_does(photos, tmp_path):
    whole, curve = finish(script.training(settings(photos, tmp_path / "whole")))
    cut = script.training(settings(photos, tmp_path / "cut"))
    next(cut), next(cut)
    cut.close()
    resumed, again = finish(script.training(settings(photos, tmp_path / "cut")))
    assert [row["step"] for row in again] == [row["step"] for row in curve] == [2, 4, 6, 8]
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value)
    for row, other in zip(curve, again, strict=True):
        assert {key: row[key] for key in row if key != "seconds"} == {
            key: other[key] for key in row if key != "seconds"
        }


def test_crops_grow_in_the_last_quarter(photos, tmp_path):
    _, curve = finish(script.training(settings(photos, tmp_path)))
    assert [row["side"] for row in curve] == [64, 64, 64, 128]


def test_batch_norm_is_a_switch(photos, tmp_path):
    state, _ = finish(script.training(settings(photos, tmp_path, steps=2, batch_norm=True)))
    assert any("running_mean" in key for key in state)


def test_what_it_writes_is_what_the_library_loads(photos, tmp_path):
    args = settings(photos, tmp_path, steps=2)
    script.run(args)
    net = fast_style.load(str(tmp_path / "toy.safetensors"), "cpu")
    report = json.loads((tmp_path / "toy.json").read_text())
    assert net.styles == report["styles"] == ["mosaic", "whirls"]
    assert report["training"]["steps"] == 2 and report["parameters"] == sum(p.numel() for p in net.parameters())
    assert set(report["scores"]["mosaic"]) == {"net_content", "net_style", "photo_content", "photo_style"}
    assert report["scores"]["mosaic"]["photo_content"] == 0
    with open(tmp_path / "toy_curve.csv") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"]
    images.check(images.load(tmp_path / "sheet.png"))


def test_the_learning_rate_goes_up_and_then_down():
    rates = [script.learning_rate(step, 100, 1.0) for step in range(1, 101)]
    assert (
        rates[0] < rates[4] and max(rates) == pytest.approx(1, abs=0.02) and rates[-1] == pytest.approx(0.02, abs=0.01)
    )
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="--photos"):
        script.Photos(tmp_path, 64)


def test_two_styles_of_one_name_are_refused():
    with pytest.raises(SystemExit, match="name"):
        script.style_names("wave.jpg,other/wave.jpg")


def test_judges_that_are_not_there_are_refused(photos, tmp_path):
    with pytest.raises(SystemExit, match="--judges squeezenet1_0"):
        script.judges(settings(photos, tmp_path, judges="squeezenet1_0"), [])


def test_a_finished_run_can_be_written_out_again(photos, tmp_path):
    state, curve = finish(script.training(settings(photos, tmp_path, steps=2)))
    again, same = finish(script.training(settings(photos, tmp_path, steps=2)))
    assert same == curve and all(torch.equal(state[name], again[name]) for name in state)


def test_a_style_that_counts_more_has_more_of_the_loss(photos, tmp_path):
    args = settings(photos, tmp_path)
    styles = [images.resize(images.load(name), 64) for name in ("mosaic", "whirls")]
    photo = torch.cat([images.prepare(images.load("coffee"), 64)] * 2)
    (plain,), (twice,) = (script.judges(args, styles, counts) for counts in (None, [1.0, 2.0]))
    content, style = plain.losses(photo, photo, torch.eye(2))
    _, only_first = plain.losses(photo[:1], photo[:1], torch.eye(2)[:1])
    again, more = twice.losses(photo, photo, torch.eye(2))
    torch.testing.assert_close(again, content)
    torch.testing.assert_close(more, 2 * style - only_first / 2)  # the mean of (first, 2 second)


def test_emphasis_names_styles():
    assert script.emphasis("whirls=2.5", ["mosaic", "whirls"]) == [1.0, 2.5]
    assert script.emphasis("", ["mosaic", "whirls"]) == [1.0, 1.0]
    for wrong in ("wave=2", "mosaic", "mosaic=much"):
        with pytest.raises(SystemExit, match=f"--emphasis {wrong}"):
            script.emphasis(wrong, ["mosaic", "whirls"])


def test_a_net_that_was_trained_before_is_trained_on(photos, tmp_path):
    script.run(settings(photos, tmp_path / "first", steps=4))
    path = tmp_path / "first" / "toy.safetensors"
    before = fast_style.load(str(path), "cpu").state_dict()
    state, curve = finish(script.training(settings(photos, tmp_path / "on", steps=1, every=1, begin=path, lr=1e-9)))
    for name, value in before.items():
        torch.testing.assert_close(state[name], value, atol=1e-6, rtol=1e-6)
    with pytest.raises(SystemExit, match="--begin"):
        list(script.training(settings(photos, tmp_path / "other", begin=path, blocks=2)))


def test_only_some_styles_learn_and_the_others_paint_what_they_painted(photos, tmp_path):
    """Nothing but the scales and shifts of the chosen styles changes, and the file says what came before."""
    script.run(settings(photos, tmp_path / "first", steps=2))
    path = tmp_path / "first" / "toy.safetensors"
    names = fast_style.load(str(path), "cpu").styles
    script.run(settings(photos, tmp_path / "on", steps=2, begin=path, only=names[1]))
    old, new = (fast_style.load(str(tmp_path / run / "toy.safetensors"), "cpu") for run in ("first", "on"))
    photo = images.prepare(images.load("coffee"), 64)
    painted = {name: [fast_style.stylize(net, photo, name) for net in (old, new)] for name in names}
    torch.testing.assert_close(*painted[names[0]])
    assert not torch.allclose(*painted[names[1]])
    changed = {key for key, value in new.state_dict().items() if not value.equal(old.state_dict()[key])}
    assert changed and all("norm" in key for key in changed)
    assert new.facts["before"] == [old.facts["training"]]
    with pytest.raises(SystemExit, match="--only dots"):
        list(script.training(settings(photos, tmp_path / "other", only="dots")))
