"""What a cell shows, its words and its pictures, and how far that is from what was committed.

The same code shows slightly different numbers and pictures on another processor: floating-point sums are taken in
another order, and a long optimisation or t-SNE magnifies the difference. It was measured between an AMD processor with
torch 2.14 and an Intel one with torch 2.11. Most cells differed by less than a grey level and in no number; those that
differed by more than half of the tolerances below have a tolerance of their own in their metadata, about twice what was
measured, or none where a small difference makes another picture, as in a dream.
"""

import base64
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageSequence
from nbformat import NotebookNode
from run_notebooks import WIDGET_VIEW

NUMBERS = 0.05  # relative difference of two numbers
PICTURES = 8.0  # grey levels of 255: difference of two pictures at their worst place
SIZES = 2  # pixels: another release of matplotlib may lay a figure out a little differently
NOISE = 1e-5  # smaller numbers are rounding errors of float32, and as good as zero
REDUCED = 64  # pixels on the longer side of the pictures that are compared: lines and grain average out
PLACE = 8  # pixels of those: the edge of a place

# Not the digits of a name (relu3_2) or a size (64x64); 2.5x is a number, and a percent sign belongs to one.
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(%|(?=x\b)|(?!\w|\.\d))", re.IGNORECASE)
MEASURED = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?=\s?(?:ms|s|seconds?|minutes?|[kMG]B)\b)")  # another one each time
DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,([\w+/=\s]+)")
ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True)
class Tolerance:
    """How far numbers (relative) and pictures (grey levels) may be off; None: as far as they like."""

    numbers: float | None = NUMBERS
    pictures: float | None = PICTURES


@dataclass
class Difference:
    """What differs between a cell's outputs and the committed ones: the worst of each kind, and a line for each defect.

    `pictures` holds the pictures of the defects, the committed one and the new one, by a name for their files.
    """

    number: float = 0.0
    picture: float = 0.0
    defects: list[str] = field(default_factory=list)
    pictures: dict[str, tuple[PIL.Image.Image, PIL.Image.Image]] = field(default_factory=dict)


def tolerance(cell: NotebookNode) -> Tolerance:
    """The tolerance that a cell's metadata ask for, `{"vizlib": {"tolerance": {"numbers": 0.1, "pictures": null}}}`.

    Raises:
        TypeError: Another name than `numbers` or `pictures`.
    """
    return Tolerance(**cell.metadata.get("vizlib", {}).get("tolerance", {}))


def compare(committed: list[NotebookNode], new: list[NotebookNode], allowed: Tolerance) -> Difference:
    """Compare two lists of a cell's outputs."""
    difference = Difference()
    compare_words(words(committed), words(new), allowed.numbers, difference)
    compare_pictures(list(pictures(committed)), list(pictures(new)), allowed.pictures, difference)
    return difference


def complaint(name: str, committed: list[NotebookNode], new: list[NotebookNode], difference: Difference) -> str:
    """Write both outputs into a new folder whose name begins with `name`; say where it is, and what differs."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    for when, outputs in (("before", committed), ("after", new)):
        (folder / f"words-{when}.txt").write_text(words(outputs), encoding="utf-8")
    for picture, both in difference.pictures.items():
        for when, image in zip(("before", "after"), both, strict=True):
            image.save(folder / f"{picture}-{when}.png")
    first = f"its outputs are not the committed ones (both are in {folder})"
    return "\n  ".join([first, *difference.defects])


# --- words and numbers ----------------------------------------------------------------------------------------------


def words(outputs: list[NotebookNode]) -> str:
    """What outputs say: what was printed, HTML without its pictures, and plain text where there is nothing richer."""
    return "".join(map(_words, outputs))


def _words(output: NotebookNode) -> str:
    data = output.get("data", {})
    richer = WIDGET_VIEW in data or any(kind.startswith("image/") for kind in data)
    if output.get("name") == "stderr":
        return ""
    said = output.get("text", "") or data.get("text/html", "") or data.get("text/markdown", "")
    said = said or ("" if richer else data.get("text/plain", ""))
    return DATA_URL.sub("", said)


def compare_words(committed: str, new: str, allowed: float | None, difference: Difference) -> None:
    """Compare the words, which must be the same, and the numbers between them."""
    before, after = (MEASURED.sub("some", ADDRESS.sub("", text)) for text in (committed, new))
    if _without_numbers(before) != _without_numbers(after):
        line, now = first_other_line(before, after)
        difference.defects.append(f"the text is {now!r} instead of {line!r}")
        return
    for was, now in zip(numbers(before), numbers(after), strict=True):
        apart = relative_difference(was, now)
        difference.number = max(difference.number, apart)
        if allowed is not None and apart > allowed:
            difference.defects.append(f"{now} instead of {was}: {apart:.1%} apart, {allowed:.1%} allowed")


def _without_numbers(text: str) -> list[str]:
    return NUMBER.sub(r" #\1 ", text).split()


def numbers(text: str) -> list[str]:
    return [match[0] for match in NUMBER.finditer(text)]


def first_other_line(before: str, after: str) -> tuple[str, str]:
    """The first line of each of two texts in which more than the numbers differs."""
    lines = zip_longest(before.splitlines(), after.splitlines(), fillvalue="")
    return next((a, b) for a, b in lines if _without_numbers(a) != _without_numbers(b))


def relative_difference(before: str, after: str) -> float:
    """Of two printed numbers, relative to the larger; 0 when rounding alone can be the reason.

    A fraction and a percentage were rounded, to their last digit; a whole number is taken for a count.
    """
    a, b = (float(number.replace(",", "").rstrip("%")) for number in (before, after))
    apart, larger = abs(a - b), max(abs(a), abs(b))
    if larger < NOISE:
        return 0.0
    return max(0.0, apart - last_digit(before) * 1.01) / larger


def last_digit(number: str) -> float:
    """What one in the last digit of a printed number is worth; 0 for a whole number that is no percentage."""
    mantissa, _, exponent = number.lower().rstrip("%").partition("e")
    _, point, decimals = mantissa.partition(".")
    return 10.0 ** (int(exponent or 0) - len(decimals)) if point or exponent or number.endswith("%") else 0.0


# --- pictures -------------------------------------------------------------------------------------------------------


def pictures(outputs: list[NotebookNode]) -> Iterator[PIL.Image.Image]:
    """The pictures among outputs, also those in their HTML; of a film, its frames."""
    for output in outputs:
        data = output.get("data", {})
        encoded = [data[kind] for kind in ("image/png", "image/jpeg", "image/webp") if kind in data]
        for text in encoded[:1] + DATA_URL.findall(data.get("text/html", "")):
            image = PIL.Image.open(io.BytesIO(base64.b64decode(text)))
            yield from (frame.convert("RGB") for frame in PIL.ImageSequence.Iterator(image))


def compare_pictures(
    committed: list[PIL.Image.Image], new: list[PIL.Image.Image], allowed: float | None, difference: Difference
) -> None:
    """Compare pictures, in their order: as many, of the same size, and looking the same."""
    if len(committed) != len(new):
        difference.defects.append(f"{len(new)} pictures instead of {len(committed)}")
        return
    for index, (before, after) in enumerate(zip(committed, new, strict=True), 1):
        apart = picture_difference(before, after)
        difference.picture = max(difference.picture, apart)
        if any(abs(a - b) > SIZES for a, b in zip(before.size, after.size, strict=True)):
            defect = f"picture {index} has {size(after)} pixels instead of {size(before)}"
        elif allowed is not None and apart > allowed:
            defect = f"picture {index} is {apart:.1f} grey levels off at its worst place, {allowed:.1f} allowed"
        else:
            continue
        difference.defects.append(defect)
        difference.pictures[f"picture{index}"] = before, after


def size(image: PIL.Image.Image) -> str:
    return "{}x{}".format(*image.size)


def picture_difference(before: PIL.Image.Image, after: PIL.Image.Image) -> float:
    """The mean absolute difference (grey levels of 255) of two pictures where they differ most.

    Both are reduced to 64 pixels on the longer side; a place is 8 of these wide, about one tile of a figure.
    """
    scale = REDUCED / max(before.size)
    shape = [max(1, round(edge * scale)) for edge in before.size]
    a, b = (np.asarray(p.resize(shape, PIL.Image.Resampling.BOX), np.float32) for p in (before, after))
    apart = np.abs(a - b).mean(2)
    window = tuple(min(PLACE, edge) for edge in apart.shape)
    return float(np.lib.stride_tricks.sliding_window_view(apart, window).mean((2, 3)).max())
