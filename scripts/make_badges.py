"""Draw the two badges at the top of every notebook and of the README, so that they show on a page that is read offline.

    python scripts/make_badges.py        writes docs/badges/colab.png and binder.png

Run scripts/update_links.py afterwards: the notebooks carry the badges as attachments.
"""

from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "badges"
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
BADGES = {"colab.png": ("Open in Colab", "#b35900"), "binder.png": ("Launch on Binder", "#33658a")}
HEIGHT = 26  # pixels, as shown
PADDING = 11  # to the left and right of the words
SMOOTHING = 4  # drawn this many times larger, then reduced, so that corners and letters have no steps


def badge(words: str, color: str) -> Image.Image:
    """White words on a rounded rectangle of `color`, RGBA, `HEIGHT` pixels tall."""
    font = ImageFont.truetype(str(FONT), 13 * SMOOTHING)
    width = round(font.getlength(words) / SMOOTHING) + 2 * PADDING
    large = Image.new("RGBA", (width * SMOOTHING, HEIGHT * SMOOTHING))
    draw = ImageDraw.Draw(large)
    draw.rounded_rectangle([0, 0, large.width - 1, large.height - 1], radius=5 * SMOOTHING, fill=color)
    draw.text((large.width / 2, large.height / 2), words, font=font, fill="white", anchor="mm")
    return large.resize((width, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (words, color) in BADGES.items():
        badge(words, color).save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
