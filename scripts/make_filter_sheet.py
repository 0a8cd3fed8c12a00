"""Make data/filters/NAME.png, the first-layer filters of a published network as a picture, from a file of its weights.

    python scripts/make_filter_sheet.py squeezenet1_0 squeezenet1_0.safetensors

Notebook 01 lays it beside the filters of the bundled networks, without the network itself. Each filter is stretched by
its own largest weight, so that zero is grey, and stored pixel by pixel; `filters.pictured` cuts the sheet apart again.
"""

import argparse

import torch
from PIL import Image

from vizlib import assets, images, models
from vizlib.analysis import filters

COLUMNS = 12


def sheet(tiles: torch.Tensor, columns: int = COLUMNS) -> torch.Tensor:
    """Pictures `(N, 3, h, w)` edge to edge in one `(1, 3, H, W)`; N must be a multiple of `columns`."""
    if len(tiles) % columns:
        raise ValueError(f"{len(tiles)} filters do not fill rows of {columns}: choose another number of columns")
    rows = tiles.unflatten(0, (-1, columns))  # (rows, columns, 3, h, w)
    return rows.permute(2, 0, 3, 1, 4).flatten(1, 2).flatten(2, 3)[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", help="its name, as models.load knows it")
    parser.add_argument("weights", help="a file with its weights")
    arguments = parser.parse_args()
    net = models.load(arguments.network, device="cpu", weights=arguments.weights)
    path = assets.data_folder() / "filters" / f"{arguments.network}.png"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(images.to_array(sheet(filters.as_images(filters.filters(net))))).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
