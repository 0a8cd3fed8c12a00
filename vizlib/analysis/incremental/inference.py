"""Clean run, occluders in blocks, and the logits for each: how the parts of incremental inference work together."""

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

SIDE = 3  # rows and columns of positions in a block: more would have windows of more different sizes


LARGEST = 16 * 2**20  # bytes of a block's largest matrix: it should stay in a processor's cache


TAIL = 8 * 2**20  # bytes of the activations that go into the tail at once


@torch.inference_mode()
def clean_run(net: Network, image: Tensor, classes: list[int] | None = None) -> Clean:
    """The clean run of a network, which everything else starts from.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        classes: Compute these logits only, in this order; None gives all.
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
    """The logits for an occluder at each pair of some rows and some columns, several pairs at a time.

    Args:
        fill: `(1, 3, H, W)`, normalised: what shows where the occluder is.
        rows, columns: What it covers, in pixels: (first, one past the last).

    Yields:
        Pairs (index of the row, index of the column), and their logits `(pairs, K)`.
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
    """Neighbouring rows and columns, few enough to stay in the cache and to have windows of nearly one size."""
    whole = Block(clean, rows, columns)
    sizes = {node: windows.size * whole.columns[node].size for node, windows in whole.rows.items()}
    largest = max(4 * step.reads * sizes[step.output] for step in clean.graph.steps) if clean.graph.steps else 0
    side = max(1, min(SIDE, isqrt(LARGEST // max(largest, 1))))
    for i, j in product(range(0, len(rows), side), range(0, len(columns), side)):
        yield slice(i, i + side), slice(j, j + side)


def _enough(clean: Clean) -> int:
    """How many positions go through the tail at once: the large weights of its linear layers are read once for all."""
    numbers = sum(clean.values[node].numel() for node in clean.graph.read)
    return max(8, min(64, TAIL // (4 * numbers))) if numbers else 64


def _finish(graph: Graph, values: list[dict[Node, Tensor]]) -> Tensor:
    """Run the tail on a batch of several blocks."""
    runner = fx.Interpreter(graph.module)
    runner.env = {node: torch.cat([value[node] for value in values]) for node in values[0]}
    for node in graph.tail:
        runner.env[node] = runner.run_node(node)
    return runner.env[graph.tail[-1]]
