"""What a neuron looks for: the patches of a gallery that excite it most, for all neurons in one pass.

A channel is one feature detector applied at every position, so its k best patches over a gallery show what it answers
to (Zeiler and Fergus 2014; Springenberg et al. 2015). Of each image only the best position counts, so that one striped
wall cannot fill the list. Ties go to the image with the smaller number, then to the upper and the left cell; so the
result depends neither on the order of the images nor on how they are dealt out to processes.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from vizlib import hooks, images
from vizlib.analysis.receptive_field import receptive_fields
from vizlib.images import Box
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.optimize import last

SHARDS = 16  # how many tasks an executor gets for one gallery


@dataclass(frozen=True)
class TopPatches:
    """The best k patches of every channel of some layers, best first.

    Attributes:
        values: layer -> the activations `(C, k)`; -inf where there were fewer than k images.
        images: layer -> which image, `(C, k)`: its number in the whole collection; -1 where there is none.
        cells: layer -> row and column of the layer's map, `(C, k, 2)`.
        boxes: layer -> the receptive field, `(C, k, 4)`: top, bottom, left and right in pixels of the image as it
            was prepared, a square of `side` pixels; clipped at its border.
        side: That square's side.
        done, total: How many images have been seen, and how many there are.
    """

    values: dict[str, Tensor]
    images: dict[str, Tensor]
    cells: dict[str, Tensor]
    boxes: dict[str, Tensor]
    side: int
    done: int
    total: int

    @property
    def k(self) -> int:
        return next(iter(self.values.values())).shape[1]

    def box(self, layer: str, channel: int, rank: int) -> Box:
        """Where in its image the patch lies; rank 0 is the best."""
        if layer not in self.boxes:
            raise LookupError(f"layer {layer!r} was not scanned; there are {', '.join(self.boxes)}")
        channels, k = self.values[layer].shape
        if not (0 <= channel < channels and 0 <= rank < k):
            raise IndexError(f"{layer} has channels 0 to {channels - 1} and ranks 0 to {k - 1}, got {channel}, {rank}")
        if self.images[layer][channel, rank] < 0:
            raise IndexError(
                f"{layer}, channel {channel} has no patch of rank {rank}: only {self.done} images were seen"
            )
        return Box(*self.boxes[layer][channel, rank].tolist())

    def image(self, gallery: Gallery, layer: str, channel: int, rank: int) -> Tensor:
        """The whole image of a patch as the network saw it, `(1, 3, side, side)`; `gallery` as in `patch`."""
        self.box(layer, channel, rank)
        return images.prepare(gallery.source(int(self.images[layer][channel, rank])), self.side)

    def patch(self, gallery: Gallery, layer: str, channel: int, rank: int) -> Tensor:
        """One patch as the network saw it, `(1, 3, height, width)` of its box.

        Args:
            gallery: The one that was scanned, or any part of it.
            rank: 0 is the best.
        """
        return self.box(layer, channel, rank).of(self.image(gallery, layer, channel, rank))


def merge(a: TopPatches, b: TopPatches) -> TopPatches:
    """The top patches of two parts of a collection together. Parts may be merged in any order.

    Raises:
        ValueError: They differ in layers, in k or in the images' side.
    """
    if (set(a.values), a.k, a.side) != (set(b.values), b.k, b.side):
        raise ValueError(
            f"expected scans of the same layers, k and side, got {list(a.values)}, k = {a.k}, {a.side} pixels "
            f"and {list(b.values)}, k = {b.k}, {b.side} pixels"
        )
    parts: dict[str, dict[str, Tensor]] = {"values": {}, "images": {}, "cells": {}, "boxes": {}}
    for layer in a.values:
        both = {name: torch.cat([getattr(a, name)[layer], getattr(b, name)[layer]], 1) for name in parts}
        rows = torch.arange(len(both["values"]))[:, None]
        best = _best_first(both["values"], _pack(both["images"], both["cells"]))[:, : a.k]
        for name, entries in both.items():
            parts[name][layer] = entries[rows, best]
    return TopPatches(**parts, side=a.side, done=a.done + b.done, total=a.total + b.total)


# --- the scan -------------------------------------------------------------------------------------------------------


def scan(
    net: Network,
    gallery: Gallery | Sequence[Gallery],
    layers: Sequence[str],
    k: int = 9,
    side: int | None = None,
    batch_size: int = 8,
    executor: Executor | None = None,
) -> TopPatches:
    """The top patches of a whole gallery at once: the last result of `scanning`, with the same arguments."""
    return last(_scanning(net, gallery, layers, k, side, batch_size, executor))()


def scanning(
    net: Network,
    gallery: Gallery | Sequence[Gallery],
    layers: Sequence[str],
    k: int = 9,
    side: int | None = None,
    batch_size: int = 8,
    executor: Executor | None = None,
) -> Iterator[TopPatches]:
    """The top patches of ever more images of a gallery, in one pass for all channels of all layers.

    What is kept is k entries for each channel, however large the gallery. Taking no further result stops the scan:
    what it gave stays valid, the network is as it was, and tasks that an executor has not begun are cancelled.

    Args:
        gallery: One gallery, or the shards of one (`gallery.shards(n)`), which may be scanned apart and merged.
        layers: Names of `net.layers`; a layer without a map, such as a linear one, counts as a map of one cell.
        k: How many patches for each channel.
        side: The square that images are prepared to, in pixels; None takes `net.input_size`.
        batch_size: Images in one forward.
        executor: Any `concurrent.futures` executor: threads, processes, or Dask's `client.get_executor()`. Each shard
            is a task (one gallery is cut into 16), and every worker computes with as many threads as torch has here,
            because the last digits of an activation depend on that: with several workers on this machine, say
            `torch.set_num_threads(cores // workers)` first. None scans here, batch by batch.

    Yields:
        A `TopPatches` after every batch, or after every shard that an executor has finished.

    Raises:
        LookupError: An unknown layer.
        ValueError: Nothing to scan, numbers below 1, or a pool of processes that would hang.
    """
    for result in _scanning(net, gallery, layers, k, side, batch_size, executor):
        yield result()


Result = Callable[[], TopPatches]  # makes the result so far, until the next step is taken


def _scanning(
    net: Network,
    gallery: Gallery | Sequence[Gallery],
    layers: Sequence[str],
    k: int,
    side: int | None,
    batch_size: int,
    executor: Executor | None,
) -> Iterator[Result]:
    shards, layers = [gallery] if isinstance(gallery, Gallery) else list(gallery), list(dict.fromkeys(layers))
    side = side or net.input_size
    for name, number in {"k": k, "side": side, "batch_size": batch_size}.items():
        if number < 1:
            raise ValueError(f"{name} = {number}: expected at least 1")
    if not layers or not sum(map(len, shards)):
        raise ValueError(f"{len(layers)} layers, {sum(map(len, shards))} images: expected at least one of each")
    if executor is None:
        return _scanning_here(net, shards, layers, k, side, batch_size)
    if _forks(executor) and torch.get_num_threads() > 1:
        raise ValueError(
            "executor: processes that are forked hang in torch's threads; make it with "
            "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn'))"
        )
    shards = gallery.shards(SHARDS) if isinstance(gallery, Gallery) else [shard for shard in shards if len(shard)]
    return _scanning_elsewhere(executor, net, shards, (layers, k, side, batch_size))


def _scanning_here(
    net: Network, shards: Sequence[Gallery], layers: list[str], k: int, side: int, batch_size: int
) -> Iterator[Result]:
    fields = receptive_fields(net, layers, side)
    best = _Best(sum(map(len, fields.values())), k)
    done, total = 0, sum(map(len, shards))
    for shard in shards:
        for start in range(0, len(shard), batch_size):
            batch = range(start, min(start + batch_size, len(shard)))
            values, cells = _peaks(net, shard.batch(batch, side), layers, batch_size)
            numbers = torch.tensor([shard.numbers[i] for i in batch])[:, None]
            best.add(values, _pack(numbers, cells))
            done += len(batch)
            yield partial(_by_layer, best, fields, side, done, total)


class _Enough(Exception):
    """Raised inside a forward when every layer has been seen."""


@torch.inference_mode()
def _peaks(net: Network, batch: Tensor, layers: list[str], rows: int) -> tuple[Tensor, Tensor]:
    """The largest activation of every channel of all layers in every image `(n, C)`, and its cell `(n, C, 2)`.

    The batch is filled up to `rows` images: another size may be rounded in another way, and then the result would
    depend on how many images were left for the last batch.
    """
    peaks = {}

    def look(layer: str, output: Tensor) -> Tensor:
        maps = output if output.ndim == 4 else output[..., None, None]
        values, places = F.adaptive_max_pool2d(maps, 1, return_indices=True)
        peaks[layer] = values.flatten(1), places.flatten(1), torch.full((maps.shape[1],), maps.shape[3])
        if len(peaks) == len(layers):
            raise _Enough
        return output

    filled = F.pad(batch, (0, 0, 0, 0, 0, 0, 0, rows - len(batch)))
    with hooks.override(net, {layer: partial(look, layer) for layer in layers}), suppress(_Enough):
        net(filled)
    values, places, widths = zip(*(peaks[layer] for layer in layers), strict=True)
    values, places = (torch.cat(parts, 1)[: len(batch)].cpu() for parts in (values, places))
    widths = torch.cat(widths)
    return values.float(), torch.stack([places // widths, places % widths], 2)


# --- the k best so far ----------------------------------------------------------------------------------------------

NOWHERE = -1 << 32


def _pack(images: Tensor, cells: Tensor) -> Tensor:
    """An image's number and a cell as one integer, which sorts like (number, row, column)."""
    return (images << 32) + (cells[..., 0] << 16) + cells[..., 1]


def _best_first(values: Tensor, places: Tensor) -> Tensor:
    """The order of `(C, n)` entries: larger values first, equal ones by their packed place."""
    by_place = places.argsort(1)
    return by_place.gather(1, values.gather(1, by_place).argsort(dim=1, descending=True, stable=True))


class _Best:
    """The k largest values of every channel `(C, k)` and their packed places; only what beats the k-th is sorted."""

    def __init__(self, channels: int, k: int):
        self.values = torch.full((channels, k), float("-inf"))
        self.places = torch.full((channels, k), NOWHERE)

    def add(self, values: Tensor, places: Tensor) -> None:
        """Take in the values of some images `(n, C)` and their places."""
        last, last_place = self.values[:, -1], self.places[:, -1]
        beats = (values > last) | ((values == last) & (places < last_place))
        c = beats.any(0).nonzero()[:, 0]
        values = torch.cat([self.values[c], values.where(beats, float("-inf")).T[c]], 1)
        places = torch.cat([self.places[c], places.where(beats, NOWHERE).T[c]], 1)
        order = _best_first(values, places)[:, : self.values.shape[1]]
        self.values[c], self.places[c] = values.gather(1, order), places.gather(1, order)


def _by_layer(best: _Best, fields: dict[str, Tensor], side: int, done: int, total: int) -> TopPatches:
    """A copy of the best so far, which later batches do not change."""
    counts = [len(boxes) for boxes in fields.values()]
    cells = torch.stack([best.places >> 16 & 0xFFFF, best.places & 0xFFFF], 2)
    values, numbers, cells = (
        dict(zip(fields, whole.split(counts), strict=True)) for whole in (best.values.clone(), best.places >> 32, cells)
    )
    boxes = {
        layer: field[torch.arange(len(field))[:, None], cells[layer][..., 0], cells[layer][..., 1]]
        for layer, field in fields.items()
    }
    return TopPatches(values, numbers, cells, boxes, side, done, total)


# --- on somebody else's engine --------------------------------------------------------------------------------------


def _scanning_elsewhere(
    executor: Executor, net: Network, shards: Sequence[Gallery], options: tuple
) -> Iterator[Result]:
    """Network and results travel as bytes, so that no engine needs to know tensors, or moves ours to shared memory."""
    network, threads, merged = pickle.dumps(net), torch.get_num_threads(), None
    tasks = [executor.submit(_scan_shard, network, shard, options, threads) for shard in shards]
    try:
        for task in as_completed(tasks):
            part = pickle.loads(task.result())
            merged = part if merged is None else merge(merged, part)
            yield partial(replace, merged, total=sum(map(len, shards)))
    finally:
        for task in tasks:
            task.cancel()
        _network.cache_clear()  # workers that are threads have put it here


def _forks(executor: Executor) -> bool:
    context = getattr(executor, "_mp_context", None)  # only process pools have one, and no public way to ask for it
    return context is not None and context.get_start_method() == "fork"


def _scan_shard(network: bytes, shard: Gallery, options: tuple, threads: int) -> bytes:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return pickle.dumps(last(_scanning_here(_network(network), [shard], *options))())
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _network(network: bytes) -> Network:
    """Unpacked once in each process, not for every shard."""
    return pickle.loads(network)
