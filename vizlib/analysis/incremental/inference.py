"""The logits for many occluders: how the parts of incremental inference work together."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import isqrt

import torch
from torch import Tensor, fx
from torch.fx import Node

from vizlib.analysis.incremental.engine import Block, Clean
from vizlib.analysis.incremental.graph import Graph, Unknown, trace, untraced
from vizlib.analysis.incremental.windows import Interval
from vizlib.models import Network

SIDE = 3  # rows and columns of positions in a block; in a larger block the windows would differ more in size


LARGEST = 16 * 2**20  # bytes of a block's largest matrix, which should fit in the processor's cache


TAIL = 8 * 2**20  # bytes of activations that go through the tail at once


@torch.inference_mode()
def clean_run(net: Network, image: Tensor, classes: list[int] | None = None) -> Clean:
    """The clean run of a network, which everything else starts from.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        classes: The classes whose logits are computed, in this order; None computes all.
    """
    normalized = net.normalize(image)
    try:
        return Clean(trace(net.module, classes), normalized)
    except Unknown:
        return Clean(untraced(net.module, classes), normalized)


@torch.inference_mode()
def occlude(
    clean: Clean, fill: Tensor, rows: Sequence[Interval], columns: Sequence[Interval]
) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
    """The logits for an occluder at every pair of rows and columns, several pairs at a time.

    Args:
        fill: What the occluder shows, `(1, 3, H, W)`, normalised.
        rows, columns: The intervals of pixels that it covers: (first, one past the last).

    Yields:
        A list of pairs (index into `rows`, index into `columns`), and their logits `(pairs, K)`.
    """
    fill = fill[0].permute(1, 2, 0).contiguous()
    cells: list[tuple[int, int]] = []
    values: list[dict[Node, Tensor]] = []
    for some_rows, some_columns in blocks(clean, rows, columns):
        cells += product(range(len(rows))[some_rows], range(len(columns))[some_columns])
        values.append(Block(clean, rows[some_rows], columns[some_columns]).run(fill))
        if len(cells) >= _enough(clean):
            yield cells, _finish(clean.graph, values)
            cells, values = [], []
    if cells:
        yield cells, _finish(clean.graph, values)


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


def _finish(graph: Graph, values: list[dict[Node, Tensor]]) -> Tensor:
    """The logits of several blocks, computed by running the tail on all of them as one batch."""
    runner = fx.Interpreter(graph.module)
    runner.env = {node: torch.cat([value[node] for value in values]) for node in values[0]}
    for node in graph.tail:
        runner.env[node] = runner.run_node(node)
    return runner.env[graph.tail[-1]]
