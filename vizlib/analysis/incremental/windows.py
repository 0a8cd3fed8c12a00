"""Which part of a layer's output a change of its input can reach, along one axis; rows and columns work alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

Interval = tuple[int, int]  # (first, one past the last)


class Reach(NamedTuple):
    """How the outputs of a layer depend on its inputs along one axis; by default, pixel by pixel.

    Output o reads the inputs o * stride - padding + dilation * i, for i = 0 … kernel - 1.
    """

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def outputs(self, changed: Interval, size: int) -> Interval:
        """The interval of outputs, of `size` in all, that read a changed input."""
        first = -((self.dilation * (self.kernel - 1) - self.padding - changed[0]) // self.stride)  # rounded up
        end = (changed[1] - 1 + self.padding) // self.stride + 1
        return min(max(first, 0), size), min(max(end, 0), size)

    def first_input(self, output: int) -> int:
        """The first input that an output reads; it is negative inside the padding."""
        return output * self.stride - self.padding

    def inputs(self, count: int) -> int:
        """How many inputs `count` consecutive outputs span, from the first to the last that they read."""
        return (count - 1) * self.stride + self.dilation * (self.kernel - 1) + 1


@dataclass(frozen=True)
class Windows:
    """Windows of the same size along one axis: where each starts, one for each position of the occluder."""

    starts: list[int]
    size: int

    @cached_property
    def places(self) -> Tensor:
        """The rows (or columns) of the map that each window holds, `(positions, size)`."""
        return torch.tensor(self.starts)[:, None] + torch.arange(self.size)

    def shifted(self, by: int) -> "Windows":
        """The same windows in a map that has `by` more rows (or columns) before its first."""
        return Windows([start + by for start in self.starts], self.size)


def common_size(changed: Sequence[Interval], size: int) -> Windows:
    """Windows around the changed intervals: all as large as the largest interval, and moved inward at the border.

    With one size, many positions can go through a layer as one batch. What a window holds beyond the change is computed
    again with the same result.

    Args:
        changed: The changed interval for each position.
        size: The length of the axis.
    """
    largest = max(1, *(end - first for first, end in changed))
    return Windows([min(first, size - largest) for first, _ in changed], largest)


def union(parts: Iterable[Sequence[Interval]]) -> list[Interval]:
    """For each position, the smallest interval that contains its intervals in all parts."""
    return [(min(first for first, _ in part), max(end for _, end in part)) for part in zip(*parts, strict=True)]


def plan(steps: Sequence, axis: int, sizes: Mapping, occluders: Mapping) -> dict:
    """The windows in the image and in the output of every step, for an occluder at several positions along one axis.

    Args:
        steps: The layers in the order in which they run; see `vizlib.analysis.incremental.graph.Step`.
        axis: 0 for rows, 1 for columns.
        sizes: Node -> the height (or width) of the image and of each step's output.
        occluders: The node of the image -> the interval that is covered at each position.

    Returns:
        Node -> its `Windows`.
    """
    changed = dict(occluders)
    for step in steps:
        seen = union(changed[source] for source in step.inputs)
        changed[step.output] = [step.reach[axis].outputs(interval, sizes[step.output]) for interval in seen]
    windows = {node: common_size(intervals, sizes[node]) for node, intervals in changed.items()}
    for step in reversed(steps):
        if step.merges:  # a branch that nothing else reads is computed in the windows of the sum
            windows |= {source: windows[step.output] for source in step.inputs if len(source.users) == 1}
    return windows
