"""Make docs/opening.jpg, the strip of five pictures at the top of notebook 00: one photo, asked five questions.

python scripts/make_opening.py
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from vizlib import hooks, images, models, plot
from vizlib.analysis import guided
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import deepdream, fast_style

SIDE, EYES = 256, ("relu6", 20)  # the channel of notebook 04, read at 128 pixels
ROOT = Path(__file__).resolve().parent.parent


def strip(net: Network) -> Figure:
    """The five pictures side by side, each with its question below."""
    photo = images.prepare(images.load("chelsea"), SIDE)
    square = images.prepare(photo, 128)
    layer, channel = EYES
    heat = hooks.read(net, square, [layer])[layer][0, channel]
    edges = plot.around_gray(guided.gradient(net, square, layer, channel))
    dream = last(deepdream.dream(net, photo, deepdream.DreamKnobs(layer="relu4", reach=0.07))).image
    painted = fast_style.stylize(fast_style.load(device="cpu"), photo, "starry_night")
    figure = Figure((9.5, 2.2), dpi=200, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    axes = figure.subplots(1, 5)
    names = (
        "the photo",
        "what fires at the eyes?",
        "which pixels excite it?",
        "what does it dream?",
        "in another style",
    )
    gray = square.mean(1)[0] * 0.6
    pictures = (photo, gray[None, None].repeat(1, 3, 1, 1), edges, dream, painted)
    for one, picture, name in zip(axes, pictures, names, strict=True):
        one.set_axis_off()
        one.imshow(picture[0].permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="bicubic")
        one.set_title(name, fontsize=11, y=-0.14)
    share = (heat / heat.max()).clamp(0, 1).numpy()
    axes[1].imshow(heat.numpy(), alpha=0.3 + 0.6 * share, extent=(-0.5, 127.5, 127.5, -0.5), interpolation="nearest")
    return figure


def main() -> None:
    torch.set_num_threads(1)
    from PIL import Image

    figure = strip(models.load("minivgg", device="cpu"))
    path = ROOT / "docs" / "opening.jpg"
    png = ROOT / "docs" / ".opening.png"
    png.write_bytes(plot.to_png(figure))
    Image.open(png).convert("RGB").save(path, quality=88, subsampling=0, optimize=True)
    png.unlink()
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
