"""A film is an image that a page can play."""

import base64
import io
import re

import pytest
import torch
from PIL import Image

from vizlib import images, widgets


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_film_is_an_image_that_a_page_can_play(tmp_path, suffix):
    frames = [images.to_bytes(torch.rand(1, 3, 8, 8)) for _ in range(3)]
    file = images.save_animation(frames, tmp_path / f"a.{suffix}")
    page = widgets.film(file.read_bytes(), "three 'frames' & more", 99).data
    data = re.fullmatch(
        rf'<img src="data:image/{suffix};base64,(.+)" width="99" alt="three &#x27;frames&#x27; &amp; more">', page
    )
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as film:
        assert film.n_frames == 3


@pytest.mark.parametrize(
    ("animation", "alt", "message"),
    [(b"GIF89a", " ", "alt: expected a few words"), (b"\x89PNG", "a", r"WebP or GIF file, got b'\\x89PNG'")],
)
def test_what_is_no_film(animation, alt, message):
    with pytest.raises(ValueError, match=message):
        widgets.film(animation, alt, 9)
