"""A network's features of every image of a gallery: one row for each image, computed once and kept on disk."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib import assets
from vizlib.analysis.fingerprint import fingerprint
from vizlib.hooks import read
from vizlib.images.galleries import Gallery
from vizlib.models import Network, stages
from vizlib.optimize import last

BATCH = 32  # images that are computed and stored together; stopping loses at most one batch


class Features(NamedTuple):
    """The features of the first `done` of `total` images: `values` `(done, D)` float32 and `labels` `(done,)` int64."""

    values: Tensor
    labels: Tensor
    done: int
    total: int


def side_for(net: Network) -> int:
    """The side in pixels of what a network is shown of a gallery: its `input_size`, at most 128, to save time."""
    return min(net.input_size, 128)


def features(net: Network, gallery: Gallery, layer: str | None = None, **options: object) -> Features:
    """The features of a whole gallery: the last result of `extracting`, which takes the same arguments."""
    return last(extracting(net, gallery, layer, **options))


def extracting(
    net: Network,
    gallery: Gallery,
    layer: str | None = None,
    side: int | None = None,
    pool: bool = True,
    workers: int = 2,
    cached: bool = True,
) -> Iterator[Features]:
    """The features of a growing part of a gallery, batch by batch.

    Every batch is kept on disk, under a hash of the images' content, the network's weights and code and all settings,
    so that no work is repeated after a stop. Images are decoded one batch ahead.

    Args:
        layer: A name in `net.layers`; None takes `stages.last_layer(net)`, and 'pixels' the image itself.
        side: The side in pixels of the squares that images are prepared as; None takes `side_for(net)`.
        pool: Average each channel over its feature map; otherwise the maps are flattened.
        workers: The number of threads that decode images; with 0 they are decoded in this thread.
        cached: Whether to keep the features on disk, and to reuse those stored there. While hooks are registered on the
            network (`hooks.override`), nothing is kept or reused, because they may change what it computes.

    Yields:
        The `Features` so far, after every batch.

    Raises:
        LookupError: The layer does not exist.
        ValueError: The gallery is empty.
    """
    if not len(gallery):
        raise ValueError(f"gallery {gallery.name!r} is empty, expected at least one image: choose another gallery")
    layer, side = layer or stages.last_layer(net), side or side_for(net)
    batches = [range(start, min(start + BATCH, len(gallery))) for start in range(0, len(gallery), BATCH)]
    cached = cached and (layer == "pixels" or not any(_hooked(part) for part in net.modules()))
    made_by = "" if layer == "pixels" or not cached else _maker(net)  # pixels do not depend on the network
    recipe = f"{made_by} {layer} {side} {pool} {torch.__version__}"
    rows, done = None, 0
    with _Reader(gallery, side, workers) as reader:
        paths = [_cache_path(recipe, gallery, batch) if cached else None for batch in batches]
        missing = [batch for batch, path in zip(batches, paths, strict=True) if path is None or not path.is_file()]
        reader.expect(missing)
        for batch, path in zip(batches, paths, strict=True):
            stored = assets.stored_array(path) if cached else None
            if stored is not None and len(stored) == len(batch):
                values = torch.from_numpy(stored)
            else:
                values = _compute(net, reader.get(batch), layer, pool)
                if cached:
                    assets.store_array(path, values.numpy())
            rows = torch.empty(len(gallery), values.shape[1]) if rows is None else rows
            rows[done : done + len(batch)] = values
            done += len(batch)
            yield Features(rows[:done], gallery.labels[:done], done, len(gallery))


class LayerFeatures(NamedTuple):
    """Features of several layers for the first `done` of `total` images: layer -> `(done, D)`, and their labels."""

    values: dict[str, Tensor]
    labels: Tensor
    done: int
    total: int


@torch.inference_mode()
def extracting_layers(
    net: Network, gallery: Gallery, layers: Sequence[str], side: int | None = None
) -> Iterator[LayerFeatures]:
    """The features of a growing part of a gallery at several layers, in one forward pass; nothing is kept on disk.

    Args:
        layers: Names in `net.layers`; each map is averaged over its positions.
        side: As for `extracting`.

    Yields:
        The `LayerFeatures` so far, after every batch.

    Raises:
        LookupError: A layer does not exist.
        ValueError: The gallery is empty, or no layer is named.
    """
    if not len(gallery) or not len(layers):
        raise ValueError(f"expected at least one image and one layer, got {len(gallery)} and {len(layers)}")
    parts: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    for start in range(0, len(gallery), BATCH):
        batch = range(start, min(start + BATCH, len(gallery)))
        outputs = read(net, gallery.batch(batch, side or side_for(net)), list(layers))
        for layer, output in outputs.items():
            values = output.float().cpu()
            parts[layer].append(values.mean((2, 3)) if values.ndim == 4 else values.flatten(1))
        so_far = {layer: torch.cat(rows) for layer, rows in parts.items()}
        yield LayerFeatures(so_far, gallery.labels[: batch.stop], batch.stop, len(gallery))


@torch.inference_mode()
def _compute(net: Network, images: Tensor, layer: str, pool: bool) -> Tensor:
    output = images if layer == "pixels" else read(net, images, [layer])[layer].float().cpu()
    if pool and output.ndim == 4 and layer != "pixels":
        return output.mean((2, 3))
    return output.flatten(1)


class _Reader:
    """Decodes batches on threads, one batch ahead of the one that is requested."""

    def __init__(self, gallery: Gallery, side: int, workers: int):
        self._gallery, self._side = gallery, side
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._waiting: list[range] = []
        self._begun: dict[range, list] = {}

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def expect(self, batches: list[range]) -> None:
        """Announce the batches that will be requested, in order."""
        self._waiting = list(batches)

    def get(self, batch: range) -> Tensor:
        """The images of a batch, `(n, 3, side, side)`; starts decoding the next one."""
        if self._pool is None:
            return self._gallery.batch(batch, self._side)
        self._waiting = [later for later in self._waiting if later != batch]
        for coming in [batch, *self._waiting[:1]]:
            if coming not in self._begun:
                one = self._gallery.batch
                self._begun[coming] = [self._pool.submit(one, [i], self._side) for i in coming]
        return torch.cat([future.result() for future in self._begun.pop(batch)])


# --- on disk --------------------------------------------------------------------------------------------------------


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _maker(net: Network) -> str:
    """A hash of all that decides what a network gives for an image, and of what its layers are called."""
    return fingerprint(net.module, net.mean, net.std, type(net).normalize, list(net.layers))


def _cache_path(recipe: str, gallery: Gallery, batch: range) -> Path:
    key = hashlib.sha256(f"{recipe} {gallery.digest(batch)}".encode()).hexdigest()
    return assets.cache_folder() / "features" / key[:2] / f"{key}.npy"
