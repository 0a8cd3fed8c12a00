"""One pass for the top patches of every channel of every layer, compared with a bare forward pass and one per neuron.

    python -m benchmarks.patches [--networks minivgg squeezenet1_0] [--images 64] [--rounds 5] [--threads 2]

All contenders take turns on the same gallery, whose images are in memory at the right size, and read their batches from
it. The weights are untrained except for the bundled networks, which does not affect the time. What is computed once for
a network (its receptive fields) is not timed. A pass for one neuron stops at its layer and keeps the maximum of its
channel. Five such passes are timed, from the first layer to the last. The passes for all neurons are not run but
estimated: each neuron is taken to cost as much as the timed one in the nearest layer.
"""

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.timing import interleaved, report
from vizlib import hooks, models
from vizlib.analysis import patches
from vizlib.analysis.receptive_field import receptive_fields
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network

BATCH = 8
WATCHED = "one pass for all channels of all layers"
ALONE = "the same forward pass, nobody watching"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["minivgg", "squeezenet1_0"])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    for name in options.networks:
        net = models.load(name, weights="trained" if name in models.zoo.BUNDLED else "untrained")
        compare(net, options.images, options.rounds)


def compare(net: Network, count: int, rounds: int) -> tuple[float, float]:
    """The cost of the pass for all neurons relative to the forward pass, and of one pass per neuron relative to it.

    The times are also printed.
    """
    layers, side = list(net.layers), net.input_size
    photos = galleries.patches()
    images = photos.batch((i * len(photos) // count for i in range(count)), side)
    gallery = galleries.stack(images, [0] * count, ["photo"])
    timed = [layers[round(part * (len(layers) - 1) / 4)] for part in range(5)]
    contenders: dict[str, Callable[[], object]] = {
        ALONE: lambda: forward(net, gallery),
        WATCHED: lambda: patches.scan(net, gallery, layers, batch_size=BATCH),
    }
    contenders |= {f"one pass for one neuron of {layer}": one_neuron(net, gallery, layer) for layer in timed}
    seconds = interleaved(contenders, rounds)

    neurons = {layer: len(boxes) for layer, boxes in receptive_fields(net, layers, side).items()}
    costs = dict(zip(timed, list(seconds.values())[2:], strict=True))
    each = sum(n * costs[nearest(layer, timed, layers)] for layer, n in neurons.items())
    title = f"{net.name}: {sum(neurons.values())} neurons in {len(layers)} layers, {count} images of {side} px"
    report(f"{title}, {torch.get_num_threads()} threads, median of {rounds} rounds", seconds, ALONE)
    print(f"  {'one pass per neuron, estimated':<44} {1000 * each:>10.0f} ms")
    slower, faster = seconds[WATCHED] / seconds[ALONE], each / seconds[WATCHED]
    print(f"  the pass for all takes {slower:.2f} times the forward alone; a pass per neuron {faster:,.0f} times that")
    return slower, faster


def batches(net: Network, gallery: Gallery) -> Iterator[Tensor]:
    """The images of the gallery, `BATCH` at a time."""
    for start in range(0, len(gallery), BATCH):
        yield gallery.batch(range(start, min(start + BATCH, len(gallery))), net.input_size)


@torch.inference_mode()
def forward(net: Network, gallery: Gallery) -> None:
    """A bare forward pass over the gallery."""
    for batch in batches(net, gallery):
        net(batch)


def one_neuron(net: Network, gallery: Gallery, layer: str) -> Callable[[], Tensor]:
    """What a tool does that looks at one neuron: find its maximum in every image."""

    def run() -> Tensor:
        with torch.inference_mode():
            outputs = [hooks.read(net, batch, [layer])[layer][:, 0] for batch in batches(net, gallery)]
            return torch.cat([output.flatten(1).amax(1) if output.ndim > 1 else output for output in outputs])

    return run


def nearest(layer: str, timed: list[str], layers: list[str]) -> str:
    """The timed layer that is nearest to a layer in the network's order."""
    return min(timed, key=lambda other: abs(layers.index(other) - layers.index(layer)))


if __name__ == "__main__":
    main()
