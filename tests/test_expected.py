"""The answers that exercises are checked against, on inputs small enough to know them."""

import pytest
import torch

from vizlib import hooks, images, models
from vizlib.analysis import neighbours
from vizlib.widgets import expected


def test_gray_filters_have_no_color_and_opposed_ones_are_all_color():
    gray = torch.randn(1, 1, 5, 5).expand(1, 3, 5, 5)
    opposed = torch.stack([torch.ones(5, 5), -torch.ones(5, 5), torch.zeros(5, 5)])[None]
    torch.testing.assert_close(expected.color_share(torch.cat([gray, opposed])), torch.tensor([0.0, 1.0]))


def test_the_cosine_distance_ignores_lengths():
    features, labels = torch.tensor([[1.0, 0], [9, 0.1], [0, 1], [0.1, 9]]), torch.tensor([0, 0, 1, 1])
    assert expected.cosine_precision(features, labels, 1) == 1
    assert neighbours.precision_at_k(features, labels, 1) < 1


def test_silencing_is_what_setting_maps_to_zero_by_hand_gives():
    net = models.load("minivgg", "cpu")
    photo = images.prepare(images.load("chelsea"), 64)
    channels = torch.tensor([1, 5, 9])

    def silent(output):
        changed = output.clone()
        changed[:, channels] = 0
        return changed

    with hooks.override(net, {"relu6": silent}):
        after = net(photo)
    before = net(photo)
    fall = (before.max() - after[0, before.argmax()]).item()
    assert expected.fall_without(net, photo, "relu6", channels) == pytest.approx(fall, abs=1e-5)
    assert expected.fall_without(net, photo, "relu6", torch.tensor([], dtype=torch.long)) == 0


def test_the_strongest_channel_has_the_largest_mean():
    net = models.load("minivgg", "cpu")
    photo = images.prepare(images.load("rocket"), 64)
    maps = hooks.read(net, photo, ["relu7"])["relu7"][0]
    strongest = expected.strongest_channel(net, photo, "relu7")
    assert all(maps[strongest].mean() >= one.mean() for one in maps)


def test_winning_cells_are_where_the_largest_values_are():
    maps = torch.zeros(2, 3, 4, 5)
    for channel, place in enumerate(((1, 2, 3), (0, 0, 4), (1, 3, 0))):
        maps[place[0], channel, place[1], place[2]] = 1
    assert expected.winning_cells(maps).tolist() == [[1, 2, 3], [0, 0, 4], [1, 3, 0]]


def test_of_two_classes_the_share_is_p_times_one_minus_p():
    """A linear network whose second logit is always 0: the probability's gradient is p (1 - p) of the logit's."""
    line = torch.nn.Linear(3 * 8 * 8, 2)
    with torch.no_grad():
        line.weight[1] = 0
        line.bias.zero_()
    net = models.wrap(torch.nn.Sequential(torch.nn.Flatten(), line), input_size=8)
    image = torch.rand(1, 3, 8, 8)
    p = net(image).softmax(1)[0, 0].item()
    assert expected.probability_share(net, image, 0) == pytest.approx(p * (1 - p), rel=1e-4)
