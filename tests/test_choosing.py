"""Which one of so many is meant, or which one for each image: whole numbers of every library, and every mistake."""

import numpy as np
import pytest
import torch

from vizlib.models.choosing import one_for_each, whole_numbers

ONE = [3, np.int64(3), np.int32(3), np.uint8(3), np.array(3), [3]]
ONE += [torch.tensor(3), torch.tensor([3]), torch.tensor(3, dtype=torch.int32)]
EACH = [[2, 0], (2, 0), [np.int64(2), 0], np.array([2, 0]), range(2, -1, -2)]
EACH += [torch.tensor([2, 0]), torch.tensor([[2], [0]])]
NO_NUMBERS = [1.5, [0.0, 1.0], 1j, True, [True, False], "3", ["3"], None, [None], {}, []]
NO_NUMBERS += [torch.zeros(0), torch.ones(2), np.array([0.5])]


@pytest.mark.parametrize("given", ONE, ids=repr)
def test_one_number_is_meant_for_all_images(given):
    assert whole_numbers(given, "channel").tolist() == [3]
    chosen = one_for_each(given, 2, 4, "channel", "layer 'a'")
    assert chosen.tolist() == [3, 3] and chosen.dtype == torch.int64 and chosen.device.type == "cpu"


@pytest.mark.parametrize("given", EACH, ids=repr)
def test_a_number_for_each_image(given):
    assert one_for_each(given, 2, 4, "channel", "layer 'a'").tolist() == [2, 0]


def test_one_image_takes_a_list_of_one():
    assert one_for_each([2], 1, 4, "channel", "layer 'a'").tolist() == [2]


@pytest.mark.parametrize("given", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_named(given):
    for ask in (lambda: whole_numbers(given, "channel"), lambda: one_for_each(given, 2, 4, "channel", "layer 'a'")):
        with pytest.raises(ValueError, match="channel .*whole number"):
            ask()


@pytest.mark.parametrize(("given", "outside"), [(4, 4), (-1, -1), ([0, 9], 9), (torch.tensor([-2, 1]), -2)])
def test_what_is_out_of_range_is_named_with_its_place_and_the_range(given, outside):
    with pytest.raises(ValueError, match=rf"channel {outside}\b.*layer 'a'.*\b0\b.*\b3\b"):
        one_for_each(given, 2, 4, "channel", "layer 'a'")


def test_neither_one_nor_one_for_each():
    with pytest.raises(ValueError, match=r"\b3\b.*channel.*\b2 images"):
        one_for_each([0, 1, 2], 2, 4, "channel", "layer 'a'")
