"""One pass for the top patches of every channel of every layer, against the forward alone, and a pass for each neuron.

    python -m benchmarks.patches [--networks minivgg squeezenet1_0] [--images 64] [--rounds 5] [--threads 2]

All contenders take turns on the same gallery, whose images are in memory and of the right size, and take their batches
from it; weights are untrained but for bundled networks, which does not change the time. What is computed once for a
network (its receptive fields) is not timed. A pass for one neuron stops at its layer and keeps the maximum of its
channel. Five of them are timed, from the first layer to the last; the passes for all neurons are not run, but added up:
every neuron is taken to cost as much as the timed one whose layer is nearest.
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
ALONE = "the same forward, nobody watching"


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
    """Print the times; gives the pass for all relative to the forward alone, and one pass per neuron to the pass."""
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
    print(f"  {'one pass per neuron, added up':<44} {1000 * each:>10.0f} ms")
    slower, faster = seconds[WATCHED] / seconds[ALONE], each / seconds[WATCHED]
    print(f"  the pass for all takes {slower:.2f} times the forward alone; a pass per neuron {faster:,.0f} times that")
    return slower, faster


def batches(net: Network, gallery: Gallery) -> Iterator[Tensor]:
    for start in range(0, len(gallery), BATCH):
        yield gallery.batch(range(start, min(start + BATCH, len(gallery))), net.input_size)


@torch.inference_mode()
def forward(net: Network, gallery: Gallery) -> None:
    for batch in batches(net, gallery):
        net(batch)


def one_neuron(net: Network, gallery: Gallery, layer: str) -> Callable[[], Tensor]:
    """What a tool does that looks at one neuron: its maximum in every image."""

    def run() -> Tensor:
        with torch.inference_mode():
            outputs = [hooks.read(net, batch, [layer])[layer][:, 0] for batch in batches(net, gallery)]
            return torch.cat([output.flatten(1).amax(1) if output.ndim > 1 else output for output in outputs])

    return run


def nearest(layer: str, timed: list[str], layers: list[str]) -> str:
    return min(timed, key=lambda other: abs(layers.index(other) - layers.index(layer)))


if __name__ == "__main__":
    main()
