"""Pictures in and out: every good kind against an independent reading, every bad kind with its own message."""

import hashlib
import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import skimage.data
import sklearn.datasets
import tifffile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from vizlib import assets, images
from vizlib.images import ImageError
from vizlib.images.catalog import PHOTOS, TEXTURES

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
RGBA = np.dstack([RGB, RNG.integers(0, 256, (12, 17), dtype=np.uint8)])
DEEP = RNG.integers(0, 65536, (12, 17), dtype=np.uint16)
UNIT = RNG.random((12, 17, 3))
EVERY_UINT8_IMAGE = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def encoded(picture: Image.Image | np.ndarray, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, format, **options)
    return buffer.getvalue()


def as_image(array: np.ndarray) -> torch.Tensor:
    """The image that numbers (H, W, 3) in [0, 1] should become."""
    return torch.tensor(np.moveaxis(array, 2, 0)[None], dtype=torch.float32)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """RGBA numbers in [0, 1] on a white ground: colour * alpha + 1 * (1 - alpha)."""
    return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])


def assert_image(found: torch.Tensor, expected: np.ndarray, within: float = 1e-6) -> None:
    images.check(found)
    torch.testing.assert_close(found, as_image(expected), atol=within, rtol=0)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, rows: bytes = b"") -> bytes:
    """A colour PNG written by hand, for what PIL does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture(
    params=[
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")),
        pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS here")),
    ]
)
def device(request) -> torch.device:
    return torch.device(request.param)


# --- pictures by name -----------------------------------------------------------------------------------------------

REFERENCES = {
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
    "china": lambda: sklearn.datasets.load_sample_image("china.jpg"),
    "flower": lambda: sklearn.datasets.load_sample_image("flower.jpg"),
}


@pytest.mark.parametrize("name", images.photos())
def test_bundled_photos(name):
    reference = REFERENCES.get(name) or getattr(skimage.data, name)
    assert_image(images.load(name), reference() / 255)


def test_a_painting_is_fetched(server, cache, monkeypatch):
    content = encoded(RGB)
    url = server.serve("/starry_night.jpg", content)
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(assets.DOWNLOADS, "starry_night", assets.Download(url, digest, len(content)))
    for _ in range(2):
        assert_image(images.load("starry_night"), RGB / 255)
    assert server.requests.total() == 1


def test_the_names_are_those_of_the_registry():
    bundled = {*images.photos(), *images.styles(), *images.textures()}
    assert set(images.names()) - bundled == set(assets.names())
    assert set(images.paintings()) <= set(assets.names())
    assert len(images.names()) == len(set(images.names())) == 16 + len(images.styles()) + len(images.textures())


@pytest.mark.parametrize("name", images.paintings())
def test_the_paintings_have_small_copies_that_need_no_download(name):
    small = images.preview(name)
    assert small.shape[:2] == (1, 3) and min(small.shape[2:]) > 100 and max(small.shape[2:]) == 224
    assert small.std() > 0.1, "it is a picture"


def test_the_preview_of_a_bundled_painting_is_itself():
    assert torch.equal(images.preview("mosaic"), images.style("mosaic"))
    with pytest.raises(ImageError, match="'wav'.*'wave'"):
        images.preview("wav")


@pytest.mark.parametrize("name", images.styles())
def test_bundled_styles(name):
    picture = images.style(name)
    assert picture.shape == (1, 3, 512, 512) and torch.equal(picture, images.load(name))


def test_bundled_textures():
    assert_image(images.texture("brick"), np.stack([skimage.data.brick()] * 3, 2) / 255)
    flower = images.load("flower")
    top, bottom, left, right = TEXTURES["petals"].box
    petals = images.texture("petals")
    assert torch.equal(petals, flower[:, :, top:bottom, left:right]) and petals.is_contiguous()
    assert all(min(images.texture(name).shape[2:]) >= 96 for name in images.textures())


def test_a_painting_is_a_style_after_its_download(server, cache, monkeypatch):
    content = encoded(RGB)
    download = assets.Download(server.serve("/wave.jpg", content), hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setitem(assets.DOWNLOADS, "wave", download)
    assert_image(images.style("wave"), RGB / 255)
    server.close()
    with pytest.raises(assets.AssetError, match="the_scream.*no connection"):
        images.style("the_scream")


@pytest.mark.parametrize(
    ("ask", "name", "message"),
    [
        (images.style, "mosaik", "'mosaik'.*'mosaic'"),
        (images.style, "brick", "'brick'.*style.*whirls, meadow"),
        (images.texture, "gras", "'gras'.*'grass'"),
        (images.texture, "mosaic", "'mosaic'.*texture.*brick, grass"),
    ],
)
def test_a_style_or_texture_of_another_name(ask, name, message):
    with pytest.raises(ImageError, match=message):
        ask(name)


@pytest.mark.parametrize("name", images.names())
def test_descriptions_serve_as_alt_text(name):
    text = images.describe(name)
    assert 30 < len(text) < 160
    assert text.isprintable()  # one line
    assert any(credit in text for credit in ("Photo: ", "Painting: ", "Woodblock print: "))


def test_no_description_for_a_stranger():
    with pytest.raises(ImageError, match="'chelsae'.*'chelsea'"):
        images.describe("chelsae")


def test_a_photo_whose_package_lost_it(monkeypatch):
    monkeypatch.setitem(PHOTOS, "coffee", PHOTOS["coffee"]._replace(file="data/gone.png"))
    with pytest.raises(ImageError, match="'coffee'.*pip install --upgrade scikit-image"):
        images.load("coffee")


# --- good files -----------------------------------------------------------------------------------------------------


def palette_with_a_hole() -> tuple[bytes, np.ndarray]:
    """A GIF-like PNG whose palette entry 0 is transparent, and what it should look like on white."""
    indices = RNG.integers(0, 4, (12, 17), dtype=np.uint8)
    colors = np.array([[9, 9, 9], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette(colors.tobytes())
    colors[0] = 255
    return encoded(picture, transparency=0), colors[indices] / 255


def gray(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 3, axis=2)


GRAY = RGB[..., 0]
FILES = {
    "png": (encoded(RGB), RGB / 255),
    "bmp": (encoded(RGB, "BMP"), RGB / 255),
    "tiff": (encoded(RGB, "TIFF"), RGB / 255),
    "lossless webp": (encoded(RGB, "WEBP", lossless=True), RGB / 255),
    "gray": (encoded(GRAY), gray(GRAY) / 255),
    "1 bit": (encoded(Image.fromarray(GRAY > 99)), gray(GRAY > 99)),
    "rgba": (encoded(RGBA), on_white(RGBA / 255)),
    "grey with alpha": (
        encoded(Image.fromarray(RGBA[..., 2:])),
        on_white(np.dstack([gray(RGB[..., 2]), RGBA[..., 3]]) / 255),
    ),
    "palette": (encoded(Image.fromarray(GRAY).convert("P")), gray(GRAY) / 255),
    "palette with a transparent entry": palette_with_a_hole(),
    "16-bit grey": (encoded(DEEP), gray(DEEP) / 65535),
    "16-bit grey tiff, big-endian": (None, gray(DEEP) / 65535),
    "float tiff": (None, gray(UNIT[..., 0])),
}


@pytest.mark.parametrize("kind", FILES)
def test_files(kind):
    content, expected = FILES[kind]
    if content is None:
        buffer = io.BytesIO()
        values = DEEP if "16" in kind else UNIT[..., 0].astype(np.float32)
        tifffile.imwrite(buffer, values, byteorder=">")
        content = buffer.getvalue()
    assert_image(images.load(content), expected, within=1 / 255 if "rgba" in kind or "alpha" in kind else 1e-6)


def test_jpeg_and_cmyk_jpeg():
    smooth = np.linspace(0, 255, 32 * 24 * 3).reshape(32, 24, 3).astype(np.uint8)
    jpeg = encoded(smooth, "JPEG", quality=95)
    assert_image(images.load(jpeg), imageio.imread(jpeg) / 255)
    cmyk = encoded(Image.fromarray(smooth).convert("CMYK"), "JPEG", quality=95)
    assert Image.open(io.BytesIO(cmyk)).mode == "CMYK"
    assert_image(images.load(cmyk), smooth / 255, within=0.04)  # lossy


def test_16_bit_colour_is_read_at_8_bits():
    deep = RNG.integers(0, 65536, (5, 4, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert_image(images.load(png(4, 5, 16, rows)), deep / 65535, within=1 / 255)


def test_animations_give_their_first_frame():
    frames = [Image.new("RGB", (6, 4), color) for color in ("red", "lime", "blue")]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
        assert Image.open(io.BytesIO(content)).n_frames == 3
        assert_image(images.load(content), np.tile([1.0, 0, 0], (4, 6, 1)))


UPRIGHT = {  # what undoes each EXIF orientation, from the definition of the tag
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_rotation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_image(images.load(encoded(RGB, exif=exif)), UPRIGHT[orientation](RGB) / 255)


# --- good sources ---------------------------------------------------------------------------------------------------


# --- what stands beside the pixels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_broken_exif_data_leave_the_pixels(format):
    red = Image.new("RGB", (5, 6), "red")
    assert images.load(encoded(red, format, exif=b"Exif\0\0garbage!!")).shape == (1, 3, 6, 5)


def jpeg_segment(number: int, content: bytes) -> bytes:
    return bytes([0xFF, number]) + struct.pack(">H", len(content) + 2) + content


PNG_EXTRAS = {
    "iCCP": [b"", b"name", b"x\0\x01garbage", b"x\0\0garbage"],
    "eXIf": [b"", b"garbage", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\x02\0\0\0\4ab\0\0\0\0\0\0"],
    "zTXt": [b"a\0\5bad", b"a\0\0" + zlib.compress(b"x" * (2 << 20))],
    "iTXt": [b"", b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>x</tiff:Orientation>"],
    "pHYs": [b"12"],
    "gAMA": [b"1"],
    "cHRM": [b"123"],
    "sRGB": [b""],
    "acTL": [b"1"],
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(("kind", "content"), [(kind, one) for kind, some in PNG_EXTRAS.items() for one in some])
@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("sound", [True, False])
def test_a_broken_chunk_of_a_png_leaves_the_pixels(kind, content, place, sound, tmp_path):
    chunk, at = png_chunk(kind.encode(), content), EXACT.index(place) - 4
    chunk = chunk if sound else chunk[:-1] + bytes([chunk[-1] ^ 1])
    file = EXACT[:at] + chunk + EXACT[at:]
    assert_image(images.load(file), RGB / 255)
    (tmp_path / "photo.png").write_bytes(file)
    assert_image(images.load(tmp_path / "photo.png"), RGB / 255)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "segment",
    [
        (0xE1, b"Exif\0\0garbage"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"ICC_PROFILE\0\1\2garbage"),
        (0xE0, b"JFIF\0"),
        (0xEE, b"Adobe"),
        (0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\xff"),
    ],
)
def test_a_broken_segment_of_a_jpeg_leaves_the_pixels(segment):
    plain = encoded(RGB, "JPEG")
    assert torch.equal(images.load(plain[:2] + jpeg_segment(*segment) + plain[2:]), images.load(plain))


def test_a_broken_colour_profile_leaves_the_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    for file, mark in ((encoded(RGB, exif=exif), b"IDAT"), (encoded(RGB, "JPEG", exif=exif), b"")):
        at = file.index(mark) - 4 if mark else 2
        broken = png_chunk(b"iCCP", b"") if mark else jpeg_segment(0xE2, b"ICC_PROFILE\0")
        assert torch.equal(images.load(file[:at] + broken + file[at:]), images.load(file))
        assert images.load(file).shape[2:] == RGB.shape[1::-1]


@pytest.mark.parametrize("value", [0, 1, 9, 65535])
def test_an_orientation_that_is_none_leaves_the_picture_as_it_is(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert_image(images.load(encoded(RGB, exif=exif)), RGB / 255)


def test_damaged_pixels_are_still_an_error():
    with pytest.raises(ImageError, match="damaged or incomplete"):
        at = EXACT.index(b"IDAT")
        images.load(EXACT[: at - 4] + png_chunk(b"iCCP", b"") + EXACT[at - 4 : at + 8] + EXACT[at + 30 :])


@pytest.mark.parametrize(
    "name", ["a b.png", "ü ñ 图.png", "~draft.png", "a%20b.png", "#.png", "x.PNG", "..png", "-v.png"]
)
def test_odd_file_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = as_image(RGB / 255)
    images.save(image, name)
    assert (tmp_path / name).is_file()
    for path in (name, tmp_path / name):
        torch.testing.assert_close(images.load(path), image, atol=1e-6, rtol=0)


def test_names_that_no_file_can_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match="cannot be read.*null"):
        images.load("a\0b.png")
    with pytest.raises(ImageError, match="cannot be written.*null"):
        images.save(as_image(RGB / 255), "a\0b.png")
    with pytest.raises(ImageError, match=r"no file 'coffee' here.*load\('coffee'\)"):
        images.load(Path("coffee"))


def test_sources_of_the_same_file(tmp_path, server, monkeypatch):
    content = encoded(RGB)
    path = tmp_path / "a photo.png"
    path.write_bytes(content)
    url = server.serve("/photo?size=large", content)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    sources = [
        path,
        str(path),
        "~/a photo.png",
        content,
        bytearray(content),
        memoryview(content),
        io.BytesIO(content),
        url,
    ]
    with open(path, "rb") as file:
        for source in [*sources, file, Image.open(io.BytesIO(content))]:
            assert_image(images.load(source), RGB / 255)


def test_a_pil_image_stays_as_it_was():
    picture = Image.fromarray(RGBA)
    images.load(picture)
    assert picture.mode == "RGBA"
    assert np.array_equal(np.asarray(picture), RGBA)


def test_16_bit_grey_in_32_bits():
    """As older versions of PIL open a 16-bit PNG."""
    assert_image(images.load(Image.fromarray(DEEP.astype(np.int32))), gray(DEEP) / 65535)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB, RGB / 255),
        (GRAY, gray(GRAY) / 255),
        (GRAY[..., None], gray(GRAY) / 255),
        (RGB[::-1, ::-2], RGB[::-1, ::-2] / 255),
        (DEEP, gray(DEEP) / 65535),
        (DEEP.astype(">u2"), gray(DEEP) / 65535),
        (GRAY > 99, gray(GRAY > 99)),
        (UNIT, UNIT),
        (UNIT.astype(np.float32), UNIT),
        (UNIT.astype(np.float16), UNIT.astype(np.float16)),
        (RGBA, on_white(RGBA / 255)),
        (np.full((1, 1, 3), 1 + 5e-6), np.ones((1, 1, 3))),
    ],
    ids=[
        "uint8",
        "gray",
        "one-channel",
        "strided",
        "uint16",
        "big-endian",
        "bool",
        "float64",
        "float32",
        "float16",
        "rgba",
        "rounding",
    ],
)
def test_arrays(array, expected):
    assert_image(images.load(array), expected)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.from_numpy(RGB).permute(2, 0, 1), RGB / 255),
        (torch.from_numpy(RGB).permute(2, 0, 1)[None], RGB / 255),
        (torch.from_numpy(GRAY.copy()), gray(GRAY) / 255),
        (torch.from_numpy(GRAY.copy())[None, None], gray(GRAY) / 255),
        (torch.from_numpy(DEEP), gray(DEEP) / 65535),
        (torch.from_numpy(RGBA).permute(2, 0, 1), on_white(RGBA / 255)),
        (as_image(UNIT).requires_grad_(), UNIT),
        (as_image(UNIT).double(), as_image(UNIT)[0].permute(1, 2, 0).numpy()),
        (as_image(RGB / 255 > 0.5).bfloat16(), RGB / 255 > 0.5),
    ],
    ids=["chw", "nchw", "hw", "n1hw", "uint16", "rgba", "requires-grad", "float64", "bfloat16"],
)
def test_tensors(tensor, expected):
    image = images.load(tensor)
    assert_image(image, expected)
    assert not image.requires_grad


@pytest.mark.parametrize("source", [UNIT.astype(np.float32), as_image(UNIT)], ids=["array", "tensor"])
def test_a_loaded_image_shares_no_memory_with_its_source(source):
    before = source.copy() if isinstance(source, np.ndarray) else source.clone()
    images.load(source).zero_()
    assert (source == before).all()


# --- bad sources ----------------------------------------------------------------------------------------------------

EXACT = encoded(RGB)
NAN = UNIT.copy()
NAN[3, 4, 1] = np.nan
BAD = {
    "empty": (b"", "0 bytes.*JPEG or PNG"),
    "text": (b"Dear diary, today I saw a cat.", "30 bytes.*JPEG or PNG"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "41 bytes.*JPEG or PNG"),
    "truncated png": (EXACT[:-200], "decoded.*get it again"),
    "truncated jpeg": (encoded(RGB, "JPEG")[:-30], "decoded.*truncated.*get it again"),
    "png header only": (EXACT[:33], "33 bytes.*JPEG or PNG"),
    "broken gif": (encoded(RGB, "GIF")[:-30], "decoded.*get it again"),
    "altered png": (EXACT[:60] + bytes([EXACT[60] ^ 255]) + EXACT[61:], "decoded.*get it again"),
    "too many pixels": (
        png(7000, 6000),
        "6000x7000.*42,000,000.*40,000,000.*smaller",
    ),
    "decompression bomb": (png(50_000, 50_000), "2500000000.*smaller"),
    "array too large": (np.zeros((6400, 6400), bool), "array.*40,960,000.*40,000,000"),
    "tensor too large": (
        torch.zeros(1, dtype=torch.uint8).expand(3, 6400, 6400),
        "tensor.*40,960,000.*40,000,000",
    ),
    "no rows": (np.zeros((0, 5, 3)), "array.*0x5"),
    "no columns": (torch.zeros(3, 5, 0), "tensor.*5x0"),
    "empty PIL image": (Image.new("RGB", (0, 4)), "PIL image.*4x0"),
    "five channels": (np.zeros((8, 8, 5)), r"\(8, 8, 5\).*\(H, W\) or \(H, W, C\)"),
    "channels first": (np.zeros((3, 8, 8)), r"\(3, 8, 8\).*transpose\(1, 2, 0\)"),
    "channels last": (torch.zeros(8, 8, 3), r"\(8, 8, 3\).*permute\(2, 0, 1\)"),
    "one dimension": (np.zeros(8), r"\(8,\).*\(H, W, C\)"),
    "five dimensions": (torch.zeros(1, 1, 3, 8, 8), r"\(1, 1, 3, 8, 8\).*\(C, H, W\)"),
    "a batch": (torch.zeros(4, 3, 8, 8), r"\b4\b.*\bone\b.*load\(batch\[i\]\)"),
    "int64": (np.zeros((8, 8), int), r"int64.*uint8.*astype\('uint8'\)"),
    "strings": (np.full((8, 8), "a"), r"\bstr.*uint8"),
    "objects": (np.full((8, 8), None), "object.*uint8"),
    "complex": (torch.zeros(3, 8, 8, dtype=torch.complex64), r"complex64.*torch\.uint8"),
    "NaN": (NAN, r"array.*NaN.*\[0, 1\]"),
    "infinity": (torch.full((3, 8, 8), torch.inf), r"tensor.*infinite.*\[0, 1\]"),
    "0 to 255 as floats": (RGB.astype(float), r"0 to 255.*\[0, 1\].*divide by 255"),
    "-1 to 1": (UNIT * 2 - 1, r"-0\.\d+ to 0\.\d+.*\[0, 1\].*rescale"),
    "float tiff beyond 1": (encoded(Image.fromarray(np.full((4, 4), 7, np.float32)), "TIFF"), r"7 to 7.*\[0, 1\]"),
    "32-bit tiff": (encoded(Image.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"), "int32.*uint8"),
    "misspelt name": ("chelsae", "'chelsae'.*'chelsea'"),
    "unknown name": ("zzzzzz", "'zzzzzz'.*chelsea, coffee"),
    "no text": ("", "folder.*one image file"),
    "folder": (os.curdir, "folder.*one image file"),
    "missing file": ("photos/cat.png", "'cat.png'.*photos.*check"),
    "missing bare file": ("cat.png", "'cat.png' in (/|[A-Z]:)"),
    "endless name": ("x" * 5000 + ".png", "xxxx.*(too long|check)"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_sources(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, message = BAD[kind]
    with pytest.raises(ImageError, match=message) as caught:
        images.load(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "NoneType.*name, path"),
        (7, "int.*name, path"),
        ([[0, 1], [1, 0]], "list.*name, path"),
        (io.StringIO("text"), "text.*'rb'"),
    ],
)
def test_wrong_types(source, message):
    with pytest.raises(TypeError, match=message):
        images.load(source)


def test_the_bound_on_pixels_is_the_callers():
    assert_image(images.load(EXACT, max_pixels=12 * 17), RGB / 255)
    with pytest.raises(ImageError, match="12x17.*204.*203.*max_pixels"):
        images.load(EXACT, max_pixels=12 * 17 - 1)


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("not a photo")
    with pytest.raises(ImageError, match=r"notes\.jpg.*JPEG or PNG"):
        images.load(path)


def test_a_bad_address(server):
    with pytest.raises(assets.AssetError, match=r"photo\.png.*404"):
        images.load(server.url("/photo.png"))
    with pytest.raises(ImageError, match="http://127.*/page.*JPEG or PNG"):
        images.load(server.serve("/page", b"<html>"))


@example(content=b"\xff\xd8\xff")  # a JPEG that ends within the name of its first segment
@given(content=st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda noise: EXACT[:30] + noise)))
@settings(deadline=None)
def test_any_bytes_are_an_image_or_an_image_error(content):
    with suppress(ImageError):
        images.check(images.load(content))


SMALL = {format: encoded(RGB, format) for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(format=st.sampled_from(sorted(SMALL)), data=st.data())
@settings(deadline=None)
def test_a_file_cut_or_altered_anywhere_is_an_image_or_an_image_error(format, data):
    content = bytearray(SMALL[format])
    where = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[where:]
    else:
        content[where] = data.draw(st.integers(0, 255))
    with suppress(ImageError):
        images.check(images.load(bytes(content)))


# --- the contract ---------------------------------------------------------------------------------------------------


def test_check_accepts_an_image_and_a_batch(device):
    for shape in ((1, 3, 1, 1), (5, 3, 4, 7)):
        assert images.check(torch.rand(shape, device=device)) is None
    images.check(torch.full((1, 3, 2, 2), 1 + 5e-6, device=device))
    images.check(torch.rand(1, 3, 8, 8, device=device).contiguous(memory_format=torch.channels_last).requires_grad_())


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (UNIT, TypeError, r"numpy\.ndarray.*\(N, 3, H, W\).*images\.load"),
        (torch.rand(3, 4, 5), ImageError, r"\(3, 4, 5\).*\(N, 3, H, W\).*image\[None\]"),
        (torch.rand(1, 1, 4, 5), ImageError, r"\(1, 1, 4, 5\).*\(N, 3, H, W\).*images\.load"),
        (torch.rand(1, 4, 5, 3), ImageError, r"\(1, 4, 5, 3\).*\(N, 3, H, W\)"),
        (torch.rand(1, 3, 4, 5).double(), ImageError, r"torch\.float64.*torch\.float32"),
        (torch.zeros(1, 3, 4, 5, dtype=torch.uint8), ImageError, r"torch\.uint8.*torch\.float32"),
        (torch.rand(0, 3, 4, 5), ImageError, r"\(0, 3, 4, 5\).*no pixels"),
        (torch.full((1, 3, 4, 5), torch.nan), ImageError, r"image.*NaN or infinite.*\[0, 1\]"),
        (torch.tensor([0.0, -torch.inf, 1]).view(1, 3, 1, 1), ImageError, r"image.*NaN or infinite.*\[0, 1\]"),
        (
            torch.full((1, 3, 4, 5), 128.0),
            ImageError,
            r"128 to 128.*\[0, 1\].*divide by 255",
        ),
        (torch.full((1, 3, 4, 5), -0.01), ImageError, r"-0\.01 to -0\.01.*\[0, 1\].*rescale"),
        (torch.full((1, 3, 4, 5), 1.01), ImageError, r"1\.01 to 1\.01.*\[0, 1\]"),
    ],
)
def test_check_refuses(image, error, message):
    with pytest.raises(error, match=message):
        images.check(image)


def test_check_calls_it_by_its_name():
    with pytest.raises(ImageError, match=r"^style\b.*\(3, 4, 5\)"):
        images.check(torch.rand(3, 4, 5), "style")


def test_one_nan_anywhere_is_found():
    image = torch.rand(2, 3, 50, 50)
    image[1, 2, 49, 49] = torch.nan
    with pytest.raises(ImageError, match="NaN"):
        images.check(image)


# --- and back -------------------------------------------------------------------------------------------------------


@given(array=EVERY_UINT8_IMAGE)
@settings(deadline=None)
def test_uint8_survives_every_lossless_way_there_and_back(array):
    image = images.load(array)
    assert np.array_equal(images.to_array(image), array)
    assert np.array_equal(np.asarray(images.to_pil(image)), array)
    assert np.array_equal(imageio.imread(images.to_bytes(image)), array)


def test_to_array_rounds_to_the_nearest(device):
    image = torch.tensor([0.4 / 255, 0.6 / 255, 254.6 / 255], device=device).view(1, 3, 1, 1)
    assert images.to_array(image).tolist() == [[[0, 1, 255]]]


def test_an_image_stays_on_its_device(device, tmp_path):
    image = images.load(as_image(UNIT).to(device))
    for found in (image, images.resize(image, 8), images.center_crop(image, 5), images.prepare(image, 6)):
        assert found.device.type == device.type
    assert_image(
        images.resize(image, (7, 9)).cpu(), images.resize(image.cpu(), (7, 9))[0].permute(1, 2, 0).numpy(), 1e-5
    )
    path = images.save(image, tmp_path / "a.png")
    assert np.array_equal(imageio.imread(path), np.round(UNIT * 255))


def test_jpeg_bytes():
    image = images.load("coffee")
    content = images.to_bytes(image, "jpeg", quality=85)
    assert Image.open(io.BytesIO(content)).format == "JPEG"
    assert np.abs(imageio.imread(content) / 255 - images.to_array(image) / 255).mean() < 0.02
    assert len(images.to_bytes(image, "jpeg", quality=20)) < len(content) < len(images.to_bytes(image))


@pytest.mark.parametrize(("full_chroma", "sampling"), [(False, (2, 2)), (True, (1, 1))])
def test_a_jpeg_keeps_every_pixels_colour_when_asked(full_chroma, sampling):
    picture = Image.open(io.BytesIO(images.to_bytes(torch.rand(1, 3, 32, 32), "jpeg", 90, full_chroma)))
    assert picture.layer[0][1:3] == sampling  # how many values of brightness there are for one of colour


@pytest.mark.parametrize(
    ("sides", "pace", "message"),
    [
        ((8, 8, 12), 4, "12x12.*8x8"),
        ((8, 8), 0, r"frames_per_second.*\b0\b.*0\.1 to 100"),
        ((8, 8), float("nan"), r"frames_per_second.*nan.*0\.1 to 100"),
    ],
)
def test_animations_that_are_refused(tmp_path, sides, pace, message):
    frames = [images.to_bytes(torch.rand(1, 3, side, side)) for side in sides]
    with pytest.raises(ImageError, match=message):
        images.save_animation(frames, tmp_path / "a.gif", pace)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match=r"aaa\.png.*writ"):
        images.save(torch.rand(1, 3, 4, 4), tmp_path / ("a" * 300 + ".png"))


@pytest.mark.parametrize("convert", [images.to_array, images.to_pil, images.to_bytes])
def test_only_one_image_at_a_time(convert):
    with pytest.raises(ImageError, match=r"\b2\b.*\bone\b.*image\[i : i \+ 1\]"):
        convert(torch.rand(2, 3, 4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "gif"}, "format.*'gif'.*'png'.*'jpeg'"),
        ({"format": "jpeg", "quality": 0}, r"quality.*\b0\b.*1 to 95"),
        ({"format": "jpeg", "quality": 100}, r"quality.*\b100\b.*1 to 95"),
    ],
)
def test_to_bytes_refuses(options, message):
    with pytest.raises(ImageError, match=message):
        images.to_bytes(torch.rand(1, 3, 4, 4), **options)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.jpg", "a.jpeg"])
def test_save(tmp_path, name):
    smooth = np.tile(np.linspace(0, 1, 40)[:, None, None], (1, 40, 3))
    path = images.save(as_image(smooth), str(tmp_path / name))
    assert path == tmp_path / name
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert Image.open(path).format == ("PNG" if name.lower().endswith("png") else "JPEG")
    assert np.abs(imageio.imread(path) / 255 - smooth).max() < 0.02


def test_save_replaces_a_file_only_when_all_is_written(tmp_path, monkeypatch):
    path = images.save(as_image(RGB / 255), tmp_path / "a.png")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(ImageError, match=r"a\.png.*No space left on device"):
            images.save(as_image(UNIT), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert np.array_equal(imageio.imread(path), RGB)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.gif", r"'a\.gif'.*\.png, \.jpg or \.jpeg"),
        ("a", r"'a'.*\.png, \.jpg or \.jpeg"),
        ("no folder/a.png", r"no folder.a\.png.*No such file or directory"),
    ],
)
def test_save_refuses(tmp_path, name, message):
    with pytest.raises(ImageError, match=message):
        images.save(as_image(UNIT), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "expected"), [(100, (100, 150)), (1, (1, 1)), ((30, 70), (30, 70)), ([5, 5], (5, 5))])
def test_resize_to_a_size(size, expected):
    assert images.resize(images.load("coffee"), size).shape == (1, 3, *expected)


@pytest.mark.parametrize(("mode", "filter"), [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)])
@pytest.mark.parametrize("size", [(50, 75), (170, 90), (500, 700)])
def test_resize_agrees_with_pil(mode, filter, size):
    """PIL's filters are antialiased; it rounds after each direction, so the contrast is kept from overflowing."""
    coffee = skimage.data.coffee() // 2 + 64
    reference = np.asarray(Image.fromarray(coffee).resize(size[::-1], filter)) / 255
    assert_image(images.resize(images.load(coffee), size, mode), reference, within=1.6 / 255)


def test_resize_nearest_invents_no_colour():
    image = images.load(RGB)
    small = images.to_array(images.resize(image, (5, 6), "nearest")).reshape(-1, 3)
    assert {tuple(color) for color in small} <= {tuple(color) for color in RGB.reshape(-1, 3)}
    assert_image(images.resize(image, (24, 34), "nearest"), RGB.repeat(2, 0).repeat(2, 1) / 255)


@given(array=EVERY_UINT8_IMAGE, size=st.integers(1, 20), mode=st.sampled_from(["bilinear", "bicubic", "nearest"]))
@settings(deadline=None)
def test_resize_keeps_the_contract_and_the_ratio(array, size, mode):
    image = images.resize(images.load(array), size, mode)
    images.check(image)
    assert image.min() >= 0
    assert image.max() <= 1
    height, width = array.shape[:2]
    assert min(image.shape[-2:]) == size
    assert abs(image.shape[-2] * width - image.shape[-1] * height) < max(height, width)  # within a pixel


def test_resize_passes_gradients():
    image = as_image(UNIT).requires_grad_()
    images.resize(image, 6).sum().backward()
    assert torch.isfinite(image.grad).all()
    assert (image.grad > 0).all()


def test_center_crop_takes_the_middle():
    image = images.load(RGB)  # 12x17
    assert_image(images.center_crop(image, (4, 7)), RGB[4:8, 5:12] / 255)
    assert_image(images.center_crop(image, 12), RGB[:, 2:14] / 255)
    images.center_crop(image, (12, 17)).zero_()
    assert_image(image, RGB / 255)  # a crop is a copy


def test_prepare_is_the_middle_square():
    image = images.load("coffee")  # 400x600
    assert torch.equal(images.prepare(image, 400), image[..., 100:500])
    assert images.prepare(torch.rand(2, 3, 50, 20), 64).shape == (2, 3, 64, 64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda image: images.resize(image, 0), ImageError, r"size.*\b0\b.*at least 1"),
        (lambda image: images.resize(image, (4, -1)), ImageError, r"size.*\(4, -1\).*at least 1"),
        (lambda image: images.resize(image, (4, 4, 4)), ImageError, r"size.*\(4, 4, 4\).*\(height, width\)"),
        (lambda image: images.resize(image, ()), ImageError, r"size.*\(\).*\(height, width\)"),
        (lambda image: images.resize(image, 6.5), TypeError, r"size.*6\.5.*whole number"),
        (lambda image: images.resize(image, "64"), TypeError, "size.*'64'.*whole number"),
        (lambda image: images.resize(image, 10**6), ImageError, "1000000.*40,000,000"),
        (lambda image: images.resize(image, 8, "cubic"), ImageError, "mode.*'cubic'.*bilinear, bicubic, nearest"),
        (lambda image: images.resize(image[0], 8), ImageError, r"\(3, 12, 17\).*image\[None\]"),
        (lambda image: images.center_crop(image, 13), ImageError, "13x13.*12x17.*resize"),
        (lambda image: images.center_crop(image[0], 3), ImageError, r"\(3, 12, 17\).*image\[None\]"),
        (lambda image: images.prepare(image, (8, 8)), TypeError, r"\(8, 8\).*whole number"),
    ],
)
def test_sizes_refuse(call, error, message):
    with pytest.raises(error, match=message):
        call(images.load(RGB))
