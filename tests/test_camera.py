"""The camera without a browser: each picture is answered, a broken one too, and what is shown follows."""

import io

import pytest
import torch
from PIL import Image

from vizlib import images, models, widgets
from vizlib.plot.boards import LINE, SPACE, Tile, board
from vizlib.widgets import panels
from vizlib.widgets.camera import Camera


def jpeg(color: str = "red", size: tuple[int, int] = (160, 160)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "jpeg")
    return buffer.getvalue()


def arrive(camera: Camera, number: int, content: bytes) -> list[dict]:
    """What the browser sends with a picture, and what it is answered."""
    answers: list[dict] = []
    camera.send = answers.append
    camera._handle_custom_msg({"number": number}, [memoryview(content)])
    return answers


def test_a_picker_shows_a_photo_until_the_camera_is_opened_and_then_what_it_sees():
    picker = widgets.CameraPicker("coffee", side=64)
    torch.testing.assert_close(picker.value, images.prepare(images.load("coffee"), 64))
    assert arrive(picker.camera, 7, jpeg("blue")) == [{"taken": 7}]
    assert picker.value.shape == (1, 3, 160, 160) and picker.value.mean((0, 2, 3)).argmax() == 2


def test_a_broken_picture_is_said_and_answered_all_the_same():
    picker = widgets.CameraPicker(side=64)
    before = picker.value
    assert arrive(picker.camera, 1, b"no picture") == [{"taken": 1}]
    assert picker.value is before and "not an image" in picker.message.value
    assert arrive(picker.camera, 2, jpeg()) == [{"taken": 2}] and picker.value is not before
    assert "none is stored" in picker.message.value and "none is stored" in picker.camera.tooltip


def test_an_error_while_a_picture_is_drawn_does_not_end_the_pictures():
    def fails(content: bytes) -> None:
        raise ValueError("no")

    camera, answers = Camera(fails, live=True), []
    camera.send = answers.append
    with pytest.raises(ValueError, match="no"):
        camera._take(camera, {"number": 3}, [jpeg()])
    assert answers == [{"taken": 3}]


def test_every_image_picker_takes_photos():
    picker = widgets.ImagePicker("coffee")
    assert not picker.camera.live
    assert arrive(picker.camera, 1, jpeg("lime", (640, 480))) == [{"taken": 1}]
    assert picker.name == "camera" and picker.value.shape == (1, 3, 300, 400)
    first = picker.value
    arrive(picker.camera, 2, jpeg("red", (640, 480)))
    assert picker.name == "camera" and picker.value is not first and picker.choice.options.count("camera") == 1


def test_panels_draw_what_the_camera_sees():
    net = models.load("minivgg", "cpu")
    explorer = panels.activation_camera(net, layer="relu1", channel=3)
    before = explorer.picture.content
    arrive(
        explorer._controls["image"].camera, 1, images.to_bytes(images.prepare(images.load("coffee"), 160), "jpeg", 90)
    )
    assert explorer.picture.content != before and explorer.picture.format == "jpeg"
    shown = images.load(explorer.picture.content)
    photo = images.resize(images.prepare(images.load("coffee"), 160), (320, 320))
    assert (shown[:, :, LINE:, :320] - photo).abs().mean() < 0.03


def test_a_board_holds_its_tiles_where_they_belong():
    photo, map_ = torch.zeros(1, 3, 8, 8), torch.tensor([[0.0, 1.0], [2.0, 4.0]])
    photo[:, 0] = 1
    made = board([Tile("photo", photo), Tile("map", map_, 2.0)], [Tile(str(i), map_) for i in range(3)], side=100)
    little = (100 - LINE - SPACE) // 2
    assert made.shape == (1, 3, 100 + LINE, 2 * (100 + SPACE) + 2 * (little + SPACE) - SPACE)
    assert torch.equal(made[0, :, LINE + 50, 50], torch.tensor([1.0, 0, 0]))
    left, above = 100 + SPACE, LINE
    dark, half, bright, beyond = (
        made[0, :, above + row, left + column] for row, column in ((20, 20), (20, 80), (80, 20), (80, 80))
    )
    assert torch.equal(bright, beyond) and dark.sum() < half.sum() < bright.sum()
    assert (made[0, :, :LINE] < 0.5).any(), "titles are written"


def test_a_board_says_what_it_cannot_draw():
    with pytest.raises(ValueError, match="at least one"):
        board([])
    with pytest.raises(ValueError, match=r"eyes.*\(4, 2, 2\)"):
        board([Tile("eyes", torch.zeros(4, 2, 2))])
