"""Make data/previews/NAME.jpg, small copies of the paintings that are downloaded, to be shown beside a result.

python scripts/make_previews.py                 downloads them first, if necessary
python scripts/make_previews.py FOLDER          takes FOLDER/NAME.jpg instead
"""

import argparse
from pathlib import Path

from torch import Tensor

from vizlib import images

FOLDER = Path(__file__).resolve().parent.parent / "data" / "previews"
SIDE = 224  # pixels, the longer one


def small(painting: Tensor) -> bytes:
    """A painting as a small JPEG."""
    factor = SIDE / max(painting.shape[2:])
    size = [round(side * factor) for side in painting.shape[2:]]
    return images.to_bytes(images.resize(painting, size), "jpeg", quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the paintings are; they are downloaded by default")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in images.paintings():
        painting = images.load(args.folder / f"{name}.jpg") if args.folder else images.style(name)
        (FOLDER / f"{name}.jpg").write_bytes(small(painting))


if __name__ == "__main__":
    main()
