"""What a neuron looks for: the patches of a gallery that excite it most, for all channels in one pass.

A channel is one feature detector applied at every position, so its k best patches in a gallery show what it responds to
(Zeiler and Fergus 2014; Springenberg et al. 2015). Only the best position in each image counts, so that one striped
wall cannot fill the list. Ties go to the image with the smaller number, then to the upper and then to the left cell, so
the result depends neither on the order of the images nor on how they are distributed over processes.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vizlib import hooks, images
from vizlib.analysis.receptive_field import receptive_fields
from vizlib.compute import in_order
from vizlib.images import Box
from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.optimize import last

SHARDS = 16  # the number of tasks that an executor gets for one gallery


@dataclass(frozen=True)
class TopPatches:
    """The k best patches of every channel of some layers, the best first.

    Attributes:
        values: layer -> the activations, `(C, k)`; -inf for a missing patch, if there were fewer than k images.
        images: layer -> the number of the image in the whole collection, `(C, k)`; -1 for a missing patch.
        cells: layer -> the row and column in the layer's feature map, `(C, k, 2)`.
        boxes: layer -> the receptive field of that cell, `(C, k, 4)`: top, bottom, left and right in pixels of the
            prepared image, clipped at its border.
        side: The side of the prepared image, a square, in pixels.
        done, total: How many images have been scanned, and how many there are.
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
        """How many patches there are for each channel."""
        return next(iter(self.values.values())).shape[1]

    def box(self, layer: str, channel: int, rank: int) -> Box:
        """Where the patch lies in its prepared image; rank 0 is the best.

        Raises:
            LookupError: The layer was not scanned.
            IndexError: There is no such channel or rank, or too few images were scanned for that rank.
        """
        if layer not in self.boxes:
            raise LookupError(f"layer {layer!r} was not scanned; expected one of {', '.join(self.boxes)}")
        channels, k = self.values[layer].shape
        if not (0 <= channel < channels and 0 <= rank < k):
            raise IndexError(f"{layer} has channels 0 to {channels - 1} and ranks 0 to {k - 1}, got {channel}, {rank}")
        if self.images[layer][channel, rank] < 0:
            raise IndexError(
                f"{layer}, channel {channel} has no patch of rank {rank}: only {self.done} images were seen"
            )
        return Box(*self.boxes[layer][channel, rank].tolist())

    def image(self, gallery: Gallery, layer: str, channel: int, rank: int) -> Tensor:
        """The whole image that a patch comes from, as the network saw it: `(1, 3, side, side)` in [0, 1].

        The arguments and errors are those of `patch`.
        """
        self.box(layer, channel, rank)
        return images.prepare(gallery.source(int(self.images[layer][channel, rank])), self.side)

    def patch(self, gallery: Gallery, layer: str, channel: int, rank: int) -> Tensor:
        """One patch as the network saw it: `(1, 3, height, width)` in [0, 1], the size of its box.

        Args:
            gallery: The gallery that was scanned, or any part of it.
            layer, channel: A scanned layer, and one of its channels.
            rank: The rank of the patch; 0 is the best.

        Raises:
            LookupError: The layer was not scanned.
            IndexError: There is no such channel or rank, or too few images were scanned for that rank.
        """
        return self.box(layer, channel, rank).of(self.image(gallery, layer, channel, rank))


def merge(a: TopPatches, b: TopPatches) -> TopPatches:
    """The top patches of two parts of a collection taken together. Parts may be merged in any order.

    Raises:
        ValueError: The two differ in their layers, in k or in the side of the images.
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
    """The top patches of a whole gallery: the last result of `scanning`, which explains the arguments."""
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
    """The top patches of a growing part of a gallery, in one pass for all channels of all layers.

    Only k entries are kept for each channel, however large the gallery. To stop the scan, take no further result: the
    results so far stay valid, the network is unchanged, and tasks that an executor has not begun are cancelled.

    Args:
        gallery: One gallery, or the shards of one (`gallery.shards(n)`).
        layers: Names in `net.layers`; a layer without feature maps, such as a linear one, counts as maps of one cell.
        k: How many patches to keep for each channel.
        side: The side in pixels of the squares that images are prepared as; None takes `net.input_size`.
        batch_size: How many images go through the network in one forward pass.
        executor: Any `concurrent.futures` executor: threads, processes, or Dask's `client.get_executor()`. Each shard
            is a task; a single gallery is cut into 16. Every worker uses as many threads as torch does in this process;
            so if several workers share a machine, call `torch.set_num_threads(cores // workers)` first. None scans in
            this process, as many batches at a time as torch has threads, each on one thread.

    Yields:
        A `TopPatches` after every batch, or after every shard that an executor has finished.

    Raises:
        LookupError: A layer does not exist.
        ValueError: There are no layers or no images, `k`, `side` or `batch_size` is less than 1, or the executor's
            processes would hang because they are forked.
    """
    for result in _scanning(net, gallery, layers, k, side, batch_size, executor):
        yield result()


Result = Callable[[], TopPatches]  # computes the result so far; call it before the next one is taken


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
            "executor: forked processes hang in torch's threads, expected spawned ones; create it with "
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
    batches = (
        shard.subset(range(start, min(start + batch_size, len(shard))))
        for shard in shards
        for start in range(0, len(shard), batch_size)
    )

    def look(batch: Gallery) -> tuple[Gallery, Tensor, Tensor]:
        return batch, *_peaks(net, batch.batch(range(len(batch)), side), layers, batch_size)

    # Each batch has one thread, so the last digits are the same however many there are.
    for batch, values, cells in in_order(look, batches) if net.device.type == "cpu" else map(look, batches):
        best.add(values, torch.tensor(batch.numbers), cells)
        done += len(batch)
        yield partial(_by_layer, best, fields, side, done, total)


class _Enough(Exception):
    """Raised inside a forward pass to stop it once every layer has been seen."""


class _Peak(NamedTuple):
    """The largest activation of every channel of a layer, and where it is.

    Attributes:
        values, places: `(N, C)`: the activations, and their cells, numbered row by row.
        width: How many cells a row has.
    """

    values: Tensor
    places: Tensor
    width: int


@torch.no_grad()  # not inference mode, in which torch does not count changes in place
def _peaks(net: Network, batch: Tensor, layers: list[str], rows: int) -> tuple[Tensor, Tensor]:
    """The largest activation of every channel of all layers in each image, `(n, C)`, and its cell, `(n, C, 2)`.

    The batch is padded to `rows` images. Batches of different sizes may be rounded differently, so otherwise the result
    would depend on how many images happen to be in the last batch.
    """
    peaks: dict[str, _Peak] = {}
    latest: tuple[_Peak, Tensor, int] | None = None  # of one layer only: the next layers get the memory of its maps

    def look(layer: str, output: Tensor) -> Tensor:
        nonlocal latest
        if output.ndim not in (2, 4):
            shape = tuple(output.shape)
            raise ValueError(f"layer {layer!r} gives {shape}, expected (N, C, h, w) or (N, C): choose another layer")
        rectified = isinstance(net.layers[layer], nn.ReLU) and latest is not None and _follows(output, *latest[1:])
        peaks[layer] = _rectified(latest[0]) if rectified else _peak(output)
        latest = peaks[layer], output, output._version
        if len(peaks) == len(layers):
            raise _Enough
        return output

    filled = F.pad(batch, (0, 0, 0, 0, 0, 0, 0, rows - len(batch)))
    with hooks.override(net, {layer: partial(look, layer) for layer in layers}), suppress(_Enough):
        net(filled)
    found = [peaks[layer] for layer in layers]
    values, places = (torch.cat(p, 1)[: len(batch)].cpu() for p in zip(*(peak[:2] for peak in found), strict=True))
    widths = torch.tensor([peak.width for peak in found])
    widths = widths.repeat_interleave(torch.tensor([peak.values.shape[1] for peak in found]))
    return values.float(), torch.stack([places // widths, places % widths], 2)


def _peak(output: Tensor) -> _Peak:
    maps = output if output.ndim == 4 else output[..., None, None]
    values, places = F.adaptive_max_pool2d(maps, 1, return_indices=True)
    return _Peak(values.flatten(1), places.flatten(1), maps.shape[3])


def _follows(output: Tensor, before: Tensor, version: int) -> bool:
    """Whether a ReLU in place has made this output of what the layer before gave, and nothing else has changed it.

    Args:
        version: How often torch had counted a change in place when the layer before gave its output.
    """
    return output.data_ptr() == before.data_ptr() and output.shape == before.shape and output._version == version + 1


def _rectified(before: _Peak) -> _Peak:
    """The peaks after a ReLU, which need no second look at the maps: where nothing fires, the first cell is named."""
    return before._replace(values=before.values.clamp(min=0), places=before.places.masked_fill(before.values <= 0, 0))


# --- the k best so far ----------------------------------------------------------------------------------------------

NOTHING, LOW = -1 << 63, (1 << 32) - 1
TOGETHER = 64  # images whose values are sorted in at a time


def _pack(images: Tensor, cells: Tensor) -> Tensor:
    """The number of an image and a cell, packed into one integer that sorts like (number, row, column)."""
    return (images << 32) + (cells[..., 0] << 16) + cells[..., 1]


def _best_first(values: Tensor, places: Tensor) -> Tensor:
    """The indices that sort entries `(C, n)`: larger values first, and equal values by their packed place."""
    by_place = places.argsort(1)
    return by_place.gather(1, values.gather(1, by_place).argsort(dim=1, descending=True, stable=True))


class _Best:
    """The k largest values of every channel, and where they are.

    A value and the number of its image make one key, so that one sort puts larger values first, and equal ones in the
    order of their images. In one image a channel has one value only. A key is the value's bits, turned such that they
    sort as integers do, above 32 bits that fall as the number of the image rises.

    Attributes:
        keys: `(C, k)`, the largest first; `NOTHING` for a missing patch.
        cells: `(C, k)`: row and column, packed.
    """

    def __init__(self, channels: int, k: int):
        self.keys = torch.full((channels, k), NOTHING)
        self.cells = torch.zeros((channels, k), dtype=torch.int64)
        self.waiting: list[tuple[Tensor, Tensor]] = []  # to be sorted in together

    def add(self, values: Tensor, numbers: Tensor, cells: Tensor) -> None:
        """Add the values of some images, `(n, C)`, the numbers of the images, `(n,)`, and the cells, `(n, C, 2)`."""
        bits = (values + 0.0).view(torch.int32)  # the sum makes -0 a 0
        keys = ((bits ^ (bits >> 31 & 0x7FFFFFFF)).long() << 32) + (LOW - numbers)[:, None]
        self.waiting.append((keys.where(values > float("-inf"), NOTHING), cells[..., 0] << 16 | cells[..., 1]))
        if sum(len(keys) for keys, _ in self.waiting) >= TOGETHER:
            self.sort_in()

    def sort_in(self) -> None:
        """Bring `keys` and `cells` up to date."""
        if self.waiting:
            keys, cells = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
            self.waiting.clear()
            c = (keys > self.keys[:, -1]).any(0).nonzero()[:, 0]
            keys, cells = torch.cat([self.keys[c], keys.T[c]], 1), torch.cat([self.cells[c], cells.T[c]], 1)
            self.keys[c], order = keys.topk(self.keys.shape[1])
            self.cells[c] = cells.gather(1, order)

    def read(self) -> tuple[Tensor, Tensor, Tensor]:
        """The values and the numbers of the images, each `(C, k)`, and the cells, `(C, k, 2)`."""
        self.sort_in()
        bits, missing = (self.keys >> 32).int(), self.keys == NOTHING
        values = (bits ^ (bits >> 31 & 0x7FFFFFFF)).view(torch.float32).masked_fill(missing, float("-inf"))
        numbers = (LOW - (self.keys & LOW)).masked_fill(missing, -1)
        return values, numbers, torch.stack([self.cells >> 16, self.cells & 0xFFFF], 2)


def _by_layer(best: _Best, fields: dict[str, Tensor], side: int, done: int, total: int) -> TopPatches:
    """A copy of the best patches so far, which later batches do not change."""
    counts = [len(boxes) for boxes in fields.values()]
    values, numbers, cells = (dict(zip(fields, whole.split(counts), strict=True)) for whole in best.read())
    boxes = {
        layer: field[torch.arange(len(field))[:, None], cells[layer][..., 0], cells[layer][..., 1]]
        for layer, field in fields.items()
    }
    return TopPatches(values, numbers, cells, boxes, side, done, total)


# --- on an executor -------------------------------------------------------------------------------------------------


def _scanning_elsewhere(
    executor: Executor, net: Network, shards: Sequence[Gallery], options: tuple
) -> Iterator[Result]:
    """Scan with an executor. The network and results are sent as bytes, so that no executor has to handle tensors."""
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
        _network.cache_clear()  # worker threads have cached the network in this process


def _forks(executor: Executor) -> bool:
    context = getattr(executor, "_mp_context", None)  # only process pools have one, with no public accessor
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
    """The unpickled network, cached so that each process does it once and not for every shard."""
    return pickle.loads(network)
