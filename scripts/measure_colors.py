"""Measure how the colours of photos vary together, and write data/colors.json.

    python scripts/measure_colors.py

The bundled photos are shrunk to 64 pixels, so that all of them count alike. The covariance of R, G and B over their
pixels is S, and the matrix M is a square root of it, M M^T = S: random numbers times M are colours as they occur in
photos. M is divided by the length of its longest column, because only the proportions matter (Olah et al. 2017).
"""

import json
from pathlib import Path

import torch

from vizlib import images

SIDE = 64  # pixels
FILE = Path(__file__).resolve().parent.parent / "data" / "colors.json"


def measure(names: list[str]) -> torch.Tensor:
    """The matrix `(3, 3)` measured on the photos of these names."""
    pixels = torch.cat([images.prepare(images.load(name), SIDE)[0].flatten(1) for name in names], 1)
    values, vectors = torch.linalg.eigh(torch.cov(pixels.double()))
    matrix = vectors * values.sqrt()
    matrix = matrix * matrix.sum(0).sign()  # an eigenvector's sign is arbitrary: let each one brighten
    return (matrix / matrix.norm(dim=0).max()).flip(1)  # the strongest colour, nearly grey, first


def main() -> None:
    names = images.photos()
    matrix = [[round(value, 4) for value in row] for row in measure(names).tolist()]
    FILE.write_text(json.dumps({"photos": names, "side": SIDE, "matrix": matrix}) + "\n", encoding="utf-8")
    print(FILE.read_text())


if __name__ == "__main__":
    main()
