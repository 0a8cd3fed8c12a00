"""The logits for many occluders: how the parts of incremental inference work together."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import product
from math import isqrt

import torch
from torch import Tensor, fx
from torch.fx import Node

from vizlib.analysis.incremental.engine import Block, Clean
from vizlib.analysis.incremental.graph import Graph, Unknown, trace, untraced
from vizlib.analysis.incremental.windows import Interval
from vizlib.compute import in_order
from vizlib.models import Network
from vizlib.models.at_rest import at_rest

Occluders = tuple[Sequence[Interval], Sequence[Interval]]  # the rows and the columns that they cover

SIDE = 3  # rows and columns of positions in a block; in a larger block the windows would differ more in size


LARGEST = 16 * 2**20  # bytes of a block's largest matrix, which should fit in the processor's cache


TAIL = 8 * 2**20  # bytes of activations that go through the tail at once


_MIXED = (
    "the images of one batch change each other's logits, as in batch normalisation without running statistics; so each "
    "goes through it alone"
)


@torch.inference_mode(False)  # under it torch does not count what is changed in place
@torch.no_grad()
def clean_run(net: Network, image: Tensor, classes: list[int] | None = None, logits: Tensor | None = None) -> Clean:
    """The clean run of a network, which everything else starts from.

    It also proves that the network may be followed: its traced copy gives the network's own logits, although it runs
    the image in a batch with its negative, and no value that was kept has changed by the time it is read. Otherwise
    every image will go through the whole network, and `clean.graph.whole` says why.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        classes: The classes whose logits are computed, in this order; None computes all.
        logits: What the network itself gives for the image, `(1, K)`, where that is known.
    """
    own = net(image) if logits is None else logits
    within = torch.finfo(net.dtype).eps ** 0.5 * own.abs().max()
    expected = own if classes is None else own[:, classes]
    pair = torch.cat([image, (image < 0.5).to(image)])
    with at_rest(net.module):
        try:
            clean = Clean(trace(net.module, classes), net, pair)
            if _agree(clean.logits, expected, within):
                return clean
            why = "its traced copy does not give its own logits"
        except Unknown as error:
            why = str(error)
        clean = Clean(untraced(net, classes, why), net, pair)
        if _agree(clean.logits, expected, within):
            return clean
        return Clean(untraced(net, classes, _MIXED, alone=True), net, image)


def _agree(logits: Tensor, expected: Tensor, within: Tensor) -> bool:
    return logits.shape == expected.shape and bool((logits - expected).abs().max() <= within)


def occlude(
    clean: Clean,
    shows: Tensor,
    rows: Sequence[Interval],
    columns: Sequence[Interval],
    grids: Iterable[tuple[range, range]] | None = None,
) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
    """The logits for an occluder at every pair of rows and columns, several pairs at a time, on all CPUs.

    Args:
        shows: What the occluder shows, `(1, 3, H, W)` in [0, 1].
        rows, columns: The intervals of pixels that it covers: (first, one past the last).
        grids: Which of them are combined, as (indices into `rows`, indices into `columns`), in this order; None
            combines all.

    Yields:
        A list of pairs (index into `rows`, index into `columns`), and their logits `(pairs, K)`.
    """
    fill = clean.given(shows)[0].permute(1, 2, 0).contiguous()
    grids = [(range(len(rows)), range(len(columns)))] if grids is None else grids

    def run(part: tuple[list[tuple[int, int]], list[Occluders]]) -> tuple[list[tuple[int, int]], Tensor]:
        cells, occluders = part
        return cells, _run(clean, occluders, fill)

    # A network that could not be traced may not be able to run twice at the same time.
    alone = clean.graph.whole or clean.net.device.type != "cpu"
    parts = _parts(clean, rows, columns, grids)
    yield from map(run, parts) if alone else in_order(run, parts)


def _parts(
    clean: Clean, rows: Sequence[Interval], columns: Sequence[Interval], grids: Iterable[tuple[range, range]]
) -> Iterator[tuple[list[tuple[int, int]], list[Occluders]]]:
    """What goes through the tail at once: pairs of indices, and the blocks of occluders at these pairs."""
    for rows_now, columns_now in grids:
        some_rows, some_columns = [rows[i] for i in rows_now], [columns[j] for j in columns_now]
        cells, waiting = [], []
        for i, j in blocks(clean, some_rows, some_columns):
            cells += product(rows_now[i], columns_now[j])
            waiting.append((some_rows[i], some_columns[j]))
            if len(cells) >= _enough(clean):
                yield cells, waiting
                cells, waiting = [], []
        if cells:
            yield cells, waiting


@torch.inference_mode()
def _run(clean: Clean, occluders: Sequence[Occluders], fill: Tensor) -> Tensor:
    """The logits of several blocks, whose windows go through the network's tail as one batch."""
    with at_rest(clean.net.module) if clean.graph.whole else nullcontext():
        values = [Block(clean, rows, columns).run(fill) for rows, columns in occluders]
        inputs = {node: torch.cat([value[node] for value in values]) for node in values[0]}
        parts = zip(*(batch.split(1) for batch in inputs.values()), strict=True) if clean.graph.alone else []
        alone = [_finish(clean.graph, dict(zip(inputs, part, strict=True))) for part in parts]
        return torch.cat(alone) if alone else _finish(clean.graph, inputs)


def blocks(clean: Clean, rows: Sequence[Interval], columns: Sequence[Interval]) -> Iterator[tuple[slice, slice]]:
    """Blocks of neighbouring rows and columns, small enough to fit in the cache and to need windows of similar size.

    Yields:
        Slices of `rows` and of `columns`.
    """
    whole = Block(clean, rows, columns)
    sizes = {node: windows.size * whole.columns[node].size for node, windows in whole.rows.items()}
    largest = max(4 * step.reads * sizes[step.output] for step in clean.graph.steps) if clean.graph.steps else 0
    side = max(1, min(SIDE, isqrt(LARGEST // max(largest, 1))))
    for i, j in product(range(0, len(rows), side), range(0, len(columns), side)):
        yield slice(i, i + side), slice(j, j + side)


def _enough(clean: Clean) -> int:
    """How many positions go through the tail at once, so that its large linear layers are read less often."""
    numbers = sum(clean.values[node].numel() for node in clean.graph.read)
    return max(8, min(64, TAIL // (4 * numbers))) if numbers else 64


def _finish(graph: Graph, inputs: dict[Node, Tensor]) -> Tensor:
    """The logits that the tail makes of its inputs, by node."""
    runner = fx.Interpreter(graph.module)
    runner.env = dict(inputs)
    for node in graph.tail:
        runner.env[node] = runner.run_node(node)
    return runner.env[graph.tail[-1]]
