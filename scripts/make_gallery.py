"""Make docs/gallery.jpg, the README's picture of pictures: what the notebooks show, in rows of equal width.

    python scripts/make_gallery.py

Notebook 00 gets a small copy. The pictures are the notebooks' stored ones, found by the id of their cell, so the
gallery shows what a reader will see.
"""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from notebook_files import dumps, read, write
from PIL import Image, ImageDraw

from vizlib.plot.figure import font

ROOT = Path(__file__).resolve().parent.parent
WIDTH, GAP, LINE = 2000, 12, 44  # pixels: of the gallery, between pictures, and below each for its caption
SMALL = 1200  # pixels: the width of the copy in notebook 00
WHOLE = (0.0, 0.0, 1.0, 1.0)


class Pick(NamedTuple):
    """One stored picture.

    Attributes:
        notebook, cell: The file's name, and the id of the cell that shows it.
        caption: The line below it.
        part: The part that is taken: left, top, right and bottom as shares of its sides.
        index: Which of the cell's pictures.
    """

    notebook: str
    cell: str
    caption: str
    part: tuple[float, float, float, float] = WHOLE
    index: int = 0


ROWS = [
    [
        Pick("09_gradient_ascent", "9a01first", "what a class would like to see (09)", (0, 0.04, 1, 1)),
        Pick("12_deepdream", "97d93393", "DeepDream of a pale sky (12)", (0.503, 0.085, 1, 1)),
        Pick("14_style_transfer", "n14nine", "one photo, nine paintings (14)", (0, 0.05, 1, 1)),
    ],
    [
        Pick("15_fast_style_transfer", "1fc9bd9b", "painted in one pass (15)"),
        Pick("11_feature_inversion", "30a02359", "what a layer remembers (11)", (0, 0.05, 1, 1)),
        Pick("10_adversarial_examples", "ddff7ce5", "a cat, and a goldfish (10)", (0, 0.06, 1, 1)),
    ],
    [
        Pick("04_activations", "ae65f0ad", "a channel that fires at eyes (04)", (0, 0.06, 1, 1)),
        Pick("14_style_transfer", "n14strok", "small, middle and broad panes (14)"),
    ],
    [
        Pick("13_texture_synthesis", "fec01370", "grown, and copied from where (13)"),
        Pick("09_gradient_ascent", "9a14robu", "a robust network needs no tricks (09)", (0, 0.06, 1, 1)),
    ],
]


def stored(pick: Pick) -> Image.Image:
    """The part of the stored picture.

    Raises:
        LookupError: The notebook has no such cell, or the cell no such picture.
    """
    notebook = json.loads((ROOT / "notebooks" / f"{pick.notebook}.ipynb").read_text(encoding="utf-8"))
    cell = next((cell for cell in notebook["cells"] if cell["id"] == pick.cell), None)
    if cell is None:
        raise LookupError(f"{pick.notebook} has no cell {pick.cell!r}")
    data = [output.get("data", {}) for output in cell["outputs"]]
    found = [kinds[kind] for kinds in data for kind in ("image/jpeg", "image/png") if kind in kinds]
    if pick.index >= len(found):
        raise LookupError(
            f"cell {pick.cell} of {pick.notebook} stores {len(found)} pictures, none with index {pick.index}"
        )
    image = Image.open(io.BytesIO(base64.b64decode("".join(found[pick.index])))).convert("RGB")
    sides = (image.width, image.height) * 2
    return image.crop(tuple(round(share * side) for share, side in zip(pick.part, sides, strict=True)))


def row(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Pictures of one height, `WIDTH` pixels wide together, each with its caption below."""
    room = WIDTH - GAP * (len(pictures) - 1)
    height = round(room / sum(picture.width / picture.height for picture in pictures))
    strip, left = Image.new("RGB", (WIDTH, height + LINE), "white"), 0
    pen = ImageDraw.Draw(strip)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        last = place == len(pictures) - 1
        width = WIDTH - left if last else round(height * picture.width / picture.height)
        strip.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (left, 0))
        pen.text((left + width / 2, height + LINE / 2), caption, fill="black", font=font(26), anchor="mm")
        left += width + GAP
    return strip


def gallery(rows: Sequence[Sequence[Pick]]) -> Image.Image:
    """All rows, one below the other."""
    strips = [row([stored(pick) for pick in picks], [pick.caption for pick in picks]) for picks in rows]
    board, top = Image.new("RGB", (WIDTH, sum(strip.height for strip in strips)), "white"), 0
    for strip in strips:
        board.paste(strip, (0, top))
        top += strip.height
    return board


def attach(picture: Image.Image) -> None:
    """Put a small copy of the gallery into the cell of notebook 00 that shows it."""
    height, content = round(SMALL * picture.height / picture.width), io.BytesIO()
    small = picture.resize((SMALL, height), Image.Resampling.LANCZOS)
    small.save(content, "jpeg", quality=82, optimize=True)
    path = ROOT / "notebooks" / "00_start_here.ipynb"
    notebook = read(path)
    (cell,) = (cell for cell in notebook.cells if "attachment:gallery.jpg" in cell.source)
    cell["attachments"] = {"gallery.jpg": {"image/jpeg": base64.b64encode(content.getvalue()).decode()}}
    write(path, dumps(notebook))


def main() -> None:
    path, picture = ROOT / "docs" / "gallery.jpg", gallery(ROWS)
    picture.save(path, quality=88, optimize=True)
    attach(picture)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
