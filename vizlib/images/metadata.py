"""What an image file says beside its pixels. It may be broken while the pixels are sound, and then it is ignored."""

from zlib import crc32

from PIL import Image
from PIL.Image import Transpose

_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# Colour, text, time, resolution and animation. The pixels need none of them; unknown chunks may be damaged pixels.
_PNG_EXTRAS = frozenset(
    b"iCCP sRGB gAMA cHRM cICP sBIT bKGD hIST sPLT tEXt zTXt iTXt tIME pHYs oFFs vpAg acTL fcTL fdAT".split()
)


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data say, or as it is stored if they say nothing that can be understood."""
    try:
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION))
    except Exception:  # PIL's parsers may raise almost anything on damaged data
        return picture
    return picture if turn is None else picture.transpose(turn)


def bare(content: bytes) -> bytes:
    """A PNG or JPEG file without its colour profile, texts, thumbnails and the like; another file as it is."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _bare_png(content)
    return _bare_jpeg(content) if content.startswith(b"\xff\xd8") else content


def _bare_png(content: bytes) -> bytes:
    kept, at = content[:8], 8
    while at + 12 <= len(content):  # length, name, data, checksum
        end, kind = at + 12 + int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        sound = int.from_bytes(content[end - 4 : end], "big") == crc32(content[at + 4 : end - 4])
        if kind not in _PNG_EXTRAS and (sound or kind != b"eXIf"):
            kept += content[at:end]
        at = end
    return kept + content[at:]


def _bare_jpeg(content: bytes) -> bytes:
    kept, at = content[:2], 2
    # up to where the pixels begin, or the file is cut off
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        kind, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        data = content[at + 4 : end]
        colors = kind == 0xEE and len(data) >= 12  # Adobe's segment says how the colours are coded
        extra = kind == 0xFE or 0xE0 <= kind <= 0xEF
        if not extra or colors or data.startswith(b"Exif\0\0"):
            kept += content[at:end]
        at = end
    return kept + content[at:]
