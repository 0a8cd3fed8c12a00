"""Reading, resizing and writing images, the bundled photos and paintings, and galleries of many images.

An image is a float32 tensor `(N, 3, H, W)`, RGB, in [0, 1], on any device. `check` enforces that.
"""

from vizlib.images.box import Box
from vizlib.images.catalog import describe, names, paintings, photos, styles, textures
from vizlib.images.contract import MAX_PIXELS, ImageError, check, check_one
from vizlib.images.pixels import gaussian_blur, sheet
from vizlib.images.reading import load, preview, style, texture
from vizlib.images.sizes import center_crop, luminance, prepare, resize
from vizlib.images.writing import save, save_animation, to_array, to_bytes, to_pil

__all__ = [
    "MAX_PIXELS",
    "Box",
    "ImageError",
    "center_crop",
    "check",
    "check_one",
    "describe",
    "gaussian_blur",
    "load",
    "luminance",
    "names",
    "paintings",
    "photos",
    "prepare",
    "preview",
    "resize",
    "save",
    "save_animation",
    "sheet",
    "style",
    "styles",
    "texture",
    "textures",
    "to_array",
    "to_bytes",
    "to_pil",
]
