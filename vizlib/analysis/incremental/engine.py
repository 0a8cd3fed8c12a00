"""Running a network on images that differ from a clean image in one window, computing only what the window changes."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, fx
from torch.fx import Node
from torch.nn.functional import pad

from vizlib.analysis.incremental.graph import Graph, Step, Unknown
from vizlib.analysis.incremental.patches import Place, cut, inside, places, put
from vizlib.analysis.incremental.windows import Interval, Windows, plan
from vizlib.models import Network


class _Recorder(fx.Interpreter):
    """Runs a network and keeps a copy of the output of each step of `graph`, for the first image: `(H, W, C)`."""

    def __init__(self, graph: Graph):
        super().__init__(graph.module)
        self.wanted = {graph.image, *(step.output for step in graph.steps)}
        self.values: dict[Node, Tensor] = {}
        self.versions: dict[Node, int] = {}  # how often each value had been changed in place when it was copied

    def run_node(self, node: Node) -> object:
        for read in node.all_input_nodes:
            if read in self.versions and self.env[read]._version != self.versions[read]:
                raise Unknown(f"{read.name} is changed in place before {node.name} reads it")
        value = super().run_node(node)
        if node in self.wanted:
            self.values[node] = value[0].permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
            self.versions[node] = value._version
        return value


class Clean:
    """The run on the clean image, whose activations every window is cut out of.

    Args:
        graph: The traced network; see `vizlib.analysis.incremental.graph.trace`.
        net: The network that it was traced from, which has to be `at_rest`.
        images: `(N, 3, H, W)` in [0, 1], the clean image first; the others only share its batch.

    Attributes:
        logits: The logits of the clean image, `(1, K)`.
        values: The node of the image and of each step -> its value, `(H, W, C)`.
        heights, widths: The same nodes -> the height and the width of that value.
        padded: (step, node that it reads) -> the node's value with the padding that the step needs.

    Raises:
        Unknown: The traced network cannot be run, changes in place what it reads later, or joins maps of different
            sizes.
    """

    def __init__(self, graph: Graph, net: Network, images: Tensor):
        self.graph, self.net = graph, net
        recorder = _Recorder(graph)
        try:
            self.logits = recorder.run(self.given(images))[:1]
        except (Unknown, torch.cuda.OutOfMemoryError):  # the name that every version has
            raise
        except Exception as error:  # its forward may raise anything
            raise Unknown(f"its traced copy fails: {str(error).splitlines()[0] if str(error) else error!r}") from error
        self.values = recorder.values
        self.heights = {node: value.shape[0] for node, value in self.values.items()}
        self.widths = {node: value.shape[1] for node, value in self.values.items()}
        for step in graph.steps:
            if step.merges and len({self.values[node].shape[:2] for node in step.inputs}) > 1:
                raise Unknown(f"{step.output.name} joins maps of different sizes")
        self.padded = {(step, node): self._pad(step, node) for step in graph.steps for node in step.inputs}
        self._axes: dict[tuple[int, tuple[Interval, ...]], Axis] = {}

    def axis(self, axis: int, covered: tuple[Interval, ...]) -> "Axis":
        """What occluders at these positions along one axis change; it is planned once, for all blocks that need it."""
        if (axis, covered) not in self._axes:
            self._axes[axis, covered] = Axis(self, axis, covered)
        return self._axes[axis, covered]

    def given(self, images: Tensor) -> Tensor:
        """Images `(N, 3, H, W)` in [0, 1] as the graph takes them: normalised, unless it runs the network whole."""
        return images if self.graph.whole else self.net.normalize(images)

    def _pad(self, step: Step, node: Node) -> Tensor:
        """The clean map of a node, with as much padding around it as the step's outermost windows read."""
        widths = []
        for reach, sizes in zip(reversed(step.reach), (self.widths, self.heights), strict=True):
            end = reach.first_input(0) + reach.inputs(sizes[step.output])
            widths += [reach.padding, max(0, end - sizes[node])]
        return pad(self.values[node], (0, 0, *widths), value=step.padding) if any(widths) else self.values[node]

    @property
    def macs(self) -> int:
        """The multiply-adds of all steps for one whole image."""
        return sum(step.macs * self.heights[step.output] * self.widths[step.output] for step in self.graph.steps)


class Axis:
    """What occluders at several positions along one axis change, and what each step reads there.

    Args:
        clean: The clean run.
        axis: 0 for rows, 1 for columns.
        covered: The interval of pixels that is covered at each position.

    Attributes:
        windows: The node of the image and of each step -> its windows.
        reads: (step, node that it reads) -> where its patches are in the padded map, what of the node's own windows
            goes where in them, and whether those windows are just what the step needs.
    """

    def __init__(self, clean: "Clean", axis: int, covered: Sequence[Interval]):
        steps, image = clean.graph.steps, clean.graph.image
        sizes = (clean.heights, clean.widths)[axis]
        self.windows = plan(steps, axis, sizes, {image: covered})
        self.covered = inside(self.windows[image], covered)
        self.reads: dict[tuple[Step, Node], tuple[Windows, list[Place], bool]] = {}
        for step in steps:
            reach, after = step.reach[axis], self.windows[step.output]
            needed = Windows([reach.first_input(start) for start in after.starts], reach.inputs(after.size))
            for node in step.inputs:
                below = self.windows[node]
                self.reads[step, node] = needed.shifted(reach.padding), [*places(below, needed)], below == needed


class Block:
    """Occluders at all pairs of R rows and C columns, which go through the network as one batch of R * C images.

    Args:
        clean: The clean run.
        rows, columns: The R and the C intervals of pixels that are covered.
    """

    def __init__(self, clean: Clean, rows: Sequence[Interval], columns: Sequence[Interval]):
        self.clean, self.shape = clean, (len(rows), len(columns))
        self.along = clean.axis(0, tuple(rows)), clean.axis(1, tuple(columns))
        self.rows, self.columns = (axis.windows for axis in self.along)

    def run(self, fill: Tensor) -> dict[Node, Tensor]:
        """The inputs of the network's tail, by node: whole maps `(B, C, H, W)` and means `(B, C, 1, 1)`.

        Args:
            fill: What the occluder shows, `(H, W, C)`, as `Clean.given` makes it.
        """
        graph = self.clean.graph
        windows = {graph.image: self._occlude(fill)}
        for step in graph.steps:
            patches = [self._patches(step, node, windows[node]).flatten(0, 1) for node in step.inputs]
            windows[step.output] = step.apply(*patches).unflatten(0, self.shape)
            for node in step.releases:
                del windows[node]
        means = {node: self._mean(node.all_input_nodes[0], windows) for node in graph.means}
        return means | {node: self._whole(node, windows[node]) for node in graph.read}

    @property
    def macs(self) -> int:
        """The multiply-adds of all steps in `run`."""
        steps = self.clean.graph.steps
        return prod(self.shape) * sum(
            step.macs * self.rows[step.output].size * self.columns[step.output].size for step in steps
        )

    def _occlude(self, fill: Tensor) -> Tensor:
        image = self.clean.graph.image
        covered_y, covered_x = (axis.covered.to(fill.device) for axis in self.along)
        covered = covered_y[:, None, :, None, None] & covered_x[None, :, None, :, None]
        filled, clean = (
            cut(value, self.rows[image], self.columns[image]) for value in (fill, self.clean.values[image])
        )
        return torch.where(covered, filled, clean)

    def _patches(self, step: Step, node: Node, windows: Tensor) -> Tensor:
        """The input patches of a step: cut out of the clean map, with the changed windows put into them."""
        (rows, to_rows, all_rows), (columns, to_columns, all_columns) = (axis.reads[step, node] for axis in self.along)
        if all_rows and all_columns:
            return windows
        return put(windows, cut(self.clean.padded[step, node], rows, columns), to_rows, to_columns)

    def _mean(self, node: Node, windows: dict[Node, Tensor]) -> Tensor:
        """The mean over each whole map, `(B, C, 1, 1)`: the clean mean, corrected by the change inside the windows."""
        clean = self.clean.values[node]
        wide = torch.promote_types(clean.dtype, torch.float32)  # a sum may be too large for half precision
        before = cut(clean, self.rows[node], self.columns[node]).sum((2, 3), dtype=wide)
        change = windows[node].sum((2, 3), dtype=wide) - before
        mean = clean.mean((0, 1), dtype=wide) + change / (clean.shape[0] * clean.shape[1])
        return mean.to(clean.dtype).flatten(0, 1)[:, :, None, None]

    def _whole(self, node: Node, windows: Tensor) -> Tensor:
        """Whole maps `(B, C, H, W)`: copies of the clean map with the windows put into them."""
        clean, (rows, columns) = self.clean.values[node], (self.rows[node], self.columns[node])
        whole = (Windows([0] * n, size) for n, size in zip(self.shape, clean.shape, strict=False))
        y, x = (list(places(windows, patch)) for windows, patch in zip((rows, columns), whole, strict=True))
        maps = clean.expand(*self.shape, *clean.shape).clone()
        return put(windows, maps, y, x).flatten(0, 1).permute(0, 3, 1, 2)
