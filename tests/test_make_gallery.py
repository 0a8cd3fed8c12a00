"""The gallery's script: rows of one width, parts of stored pictures, and picks that exist."""

import make_gallery as script
import pytest
from PIL import Image


def test_the_pictures_of_a_row_keep_their_shape_and_fill_it():
    pictures = [Image.new("RGB", (300, 100), "red"), Image.new("RGB", (100, 100), "blue")]
    strip = script.row(pictures, ["wide", "square"])
    height = strip.height - script.LINE
    assert strip.width == script.WIDTH and height == round((script.WIDTH - script.GAP) / 4)
    assert strip.getpixel((round(3 * height) - 2, 5)) == (255, 0, 0)
    assert strip.getpixel((script.WIDTH - 2, 5)) == (0, 0, 255)
    assert strip.getpixel((round(3 * height) + script.GAP // 2, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    "pick", [pick for row in script.ROWS for pick in row], ids=lambda pick: f"{pick.notebook}-{pick.cell}"
)
def test_every_pick_is_stored_and_large_enough(pick):
    picture = script.stored(pick)
    assert picture.width >= 200 and picture.height >= 150, picture.size


def test_a_pick_that_is_gone_is_named():
    with pytest.raises(LookupError, match="no cell 'nowhere'"):
        script.stored(script.Pick("04_activations", "nowhere", ""))
    with pytest.raises(LookupError, match="944b2cd5|stores"):
        script.stored(script.Pick("04_activations", "ae65f0ad", "", index=9))
