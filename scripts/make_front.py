"""Draw the README's picture, docs/front.png: a photo and its prediction, the first filters, and activation maps."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vizlib import hooks, images, models, plot
from vizlib.analysis import filters


def main() -> None:
    net = models.load("minivgg", device="cpu")
    photo = images.prepare(images.load("chelsea"), 256)
    answer = net.predict(images.prepare(photo, net.input_size))[0][0]
    maps = hooks.read(net, images.prepare(photo, 128), ["relu1", "relu4"])
    weights = plot.mosaic(filters.as_images(filters.filters(net)).permute(0, 2, 3, 1).numpy(), columns=8)

    figure = Figure((11, 3.1), dpi=110, layout="constrained")
    places = figure.subplots(1, 4)
    pictures = [images.to_array(photo), np.nan_to_num(weights, nan=1.0)]
    for layer in ("relu1", "relu4"):
        tiles = maps[layer][0]
        most = tiles.std((1, 2)).topk(16).indices  # the liveliest channels
        stretched = tiles[most] / tiles[most].amax((1, 2), keepdim=True)
        pictures.append(plot.mosaic(stretched.numpy(), columns=4))
    titles = [
        f"{answer.name}: {answer.probability:.0%}",
        "what the first layer looks for",
        "what fires in relu1",
        "and in relu4",
    ]
    for axes, picture, title in zip(places, pictures, titles, strict=True):
        axes.imshow(picture, cmap="viridis", interpolation="nearest" if picture.shape[0] < 200 else "antialiased")
        axes.set_title(title, fontsize=12)
        axes.set_axis_off()
    (Path(__file__).resolve().parent.parent / "docs" / "front.png").write_bytes(plot.to_png(figure))


if __name__ == "__main__":
    main()
