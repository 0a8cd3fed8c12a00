"""Make the README's picture, docs/front.jpg: three photos in three styles, each by optimisation and in one pass.

python scripts/make_front.py
"""

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, models, plot
from vizlib.synthesis import fast_style, style

PHOTOS, STYLES = ("chelsea", "china", "rocket"), ("glass", "woodcut", "mosaic")
METHODS = ("optimised", "in one pass")
SIDE = 256


def paint(photo: str, name: str) -> list[Tensor]:
    """The photo in a style, painted by each of the two methods, `(1, 3, SIDE, SIDE)`."""
    content = images.prepare(images.load(photo), SIDE)
    knobs = style.StyleKnobs(size=SIDE, style_size=1.5)
    *_, last = style.transfer(models.load("minivgg", device="cpu"), content, [images.style(name)], knobs)
    return [last.image, fast_style.stylize(fast_style.load("many_styles", "cpu"), content, name)]


def sheet() -> Figure:
    """The styles at the top, the photos on the left, and the result for each pair in between."""
    columns = len(STYLES) * len(METHODS)
    figure = Figure((11, 6.4), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.subplots(1 + len(PHOTOS), 1 + columns)
    for axes in grid.flat:
        axes.set_axis_off()
    for s, name in enumerate(STYLES):
        axes = grid[0, 1 + 2 * s]
        axes.imshow(images.to_array(images.prepare(images.style(name), SIDE)))
        grid[0, 2 + 2 * s].text(0, 0.5, name, fontsize=13, va="center", transform=grid[0, 2 + 2 * s].transAxes)
    for r, photo in enumerate(PHOTOS, 1):
        grid[r, 0].imshow(images.to_array(images.prepare(images.load(photo), SIDE)))
        for s, name in enumerate(STYLES):
            for m, picture in enumerate(paint(photo, name)):
                axes = grid[r, 1 + 2 * s + m]
                axes.imshow(images.to_array(picture))
                if r == 1:
                    axes.set_title(METHODS[m], fontsize=10)
    return figure


def main() -> None:
    path = Path(__file__).resolve().parent.parent / "docs" / "front.jpg"
    images.save(images.load(plot.to_png(sheet())), path)


if __name__ == "__main__":
    main()
