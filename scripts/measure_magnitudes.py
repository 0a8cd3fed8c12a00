"""Measure how strong each frequency is in photos, and write data/magnitudes.json.

    python scripts/measure_magnitudes.py

The bundled photos of everyday things are cut to squares of 128 pixels. As `optimize.Spectrum` makes images from
decorrelated colours by a sigmoid, the photos are taken the same way back: a logit, and the inverse of the matrix in
data/colors.json. The magnitudes of their Fourier transform are averaged over the photos and over all directions, by
cycles per image (Fel et al. 2023 average over ImageNet, and over no directions).
"""

import json
from pathlib import Path

import torch

from vizlib import images
from vizlib.optimize.parametrizations import color_matrix

SIDE, SMOOTH = 128, 0.1  # pixels; the width of a cosine at the border, as a share of the side
PHOTOS = ("chelsea", "coffee", "astronaut", "rocket", "motorcycle", "china", "flower")
FILE = Path(__file__).resolve().parent.parent / "data" / "magnitudes.json"


def measure(names: tuple[str, ...], side: int = SIDE) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean magnitudes `(3, U)` for 0, 1, 2, … cycles per image, and the means of the decorrelated colours `(3,)`."""
    photos = torch.cat([images.prepare(images.load(name), side) for name in names])
    values = torch.einsum("ij,njhw->nihw", torch.linalg.inv(color_matrix()), photos.clamp(0.02, 0.98).logit())
    means = values.mean((0, 2, 3))
    values = values - values.mean((2, 3), keepdim=True)
    edge = torch.hann_window(2 * round(SMOOTH * side), periodic=False)[: round(SMOOTH * side)]
    window = torch.ones(side)
    window[: len(edge)], window[-len(edge) :] = edge, edge.flip(0)
    window = window[:, None] * window[None]
    found = torch.fft.rfft2(values * window / window.square().mean().sqrt(), norm="ortho").abs()
    cycles = torch.sqrt(torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.rfftfreq(side)[None] ** 2) * side
    rings = cycles.round().long().flatten()
    sums = torch.zeros(3, int(rings.max()) + 1).index_add_(1, rings, found.square().mean(0).flatten(1))
    return (sums / torch.bincount(rings)).sqrt(), means


def main() -> None:
    rows, means = measure(PHOTOS)
    table = [[round(value, 4) for value in row] for row in rows.tolist()]
    content = {"photos": PHOTOS, "side": SIDE, "means": [round(m, 4) for m in means.tolist()], "magnitudes": table}
    FILE.write_text(json.dumps(content) + "\n", encoding="utf-8")
    print([[row[u] for u in (1, 4, 16, 64)] for row in table], content["means"])


if __name__ == "__main__":
    main()
