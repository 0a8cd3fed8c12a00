"""Occlusion maps: exact incremental inference compared with Captum at its best setting, and with inference in batches.

    python -m benchmarks.occlusion [--networks minivgg squeezenet1_0 resnet18 vgg16] [--stride 8] [--rounds 3]
                                   [--threads 2] [--clock wall]

All contenders take turns on the same image, occluder and class. At 224 px the occluder is 16 pixels wide; on the
bundled networks, at 64 px, it is 4 pixels wide and moves by 2. Captum runs on torchvision's network as it comes, and
once more on vizlib's, whose weights are stored channels last, because that makes Captum faster as well. Its
`perturbations_per_eval` is the fastest of several, found beforehand with a larger occluder, which has fewer positions
and costs as much for each. Times are per position. At 224 px the others get an occluder four times as large that
moves four times as far, because a position costs them the same, and 729 take minutes; ours gets all positions.
The weights are random except for the bundled networks, which does not affect the time.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torchvision
from captum.attr import Occlusion
from torch import Tensor, nn

from benchmarks.timing import interleaved, report
from vizlib import images, models
from vizlib.analysis import occlusion
from vizlib.models import Network

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
OURS, BATCHES = "vizlib, exact incremental", "vizlib's network on batches of 8 images"
SETTINGS = (1, 4, 8, 16)
FEWER = 4  # how many times as large, and as far apart, the other contenders' occluders are at 224 px


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["minivgg", "squeezenet1_0", "resnet18", "vgg16"])
    parser.add_argument("--stride", type=int, default=8, help="stride in pixels at 224 px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    for name in options.networks:
        bundled = name in models.zoo.BUNDLED
        net = models.load(name, "cpu", "trained" if bundled else "untrained")
        size, stride = (4, 2) if bundled else (16, options.stride)
        compare(net, name, size, stride, options.rounds, CLOCKS[options.clock], 1 if bundled else FEWER)


def compare(
    net: Network,
    name: str,
    size: int,
    stride: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    fewer: int = 1,
) -> dict[str, float]:
    """The seconds per position of each contender, which are also printed; so is how far our map is from Captum's.

    The other contenders' occluder is `fewer` times as large, and moves `fewer` times as far.
    """
    image = images.prepare(images.load("chelsea"), net.input_size)
    normalized, target = net.normalize(image), net(image).argmax().item()
    modules = {"vizlib's network": net.module}
    if name not in models.zoo.BUNDLED:
        modules = {"torchvision's network": torchvision.models.get_model(name).eval()} | modules
    maps: dict[str, Tensor] = {}
    contenders: dict[str, Callable[[], object]] = {}
    for label, module in modules.items():
        best = _best_setting(module, normalized, target, clock)
        contenders[f"Captum ({best}) on {label}"] = lambda m=module, n=best: maps.update(
            captum=captum(m, normalized, target, fewer * size, fewer * stride, n)
        )
    few, count = (len(occlusion.positions(net.input_size, n * size, n * stride)) ** 2 for n in (fewer, 1))
    contenders[BATCHES] = lambda: _batches(net, normalized, few)
    contenders[OURS] = lambda: occlusion.occlusion(net, image, target, size, stride)
    seconds = interleaved(contenders, rounds, int(rounds > 1), clock)
    seconds = {label: t / (count if label == OURS else few) for label, t in seconds.items()}
    ours = occlusion.occlusion(net, image, target, fewer * size, fewer * stride).pixels()
    wall = "" if clock is time.perf_counter else " of processor time"
    title = f"{net.name}, {net.input_size} px, occluder {size}, stride {stride}: milliseconds{wall} for each of {count}"
    report(f"{title} positions, {torch.get_num_threads()} threads, median of {rounds}", seconds, next(iter(seconds)))
    print(f"  largest difference from Captum on the same weights: {(maps['captum'] - ours).abs().max():.1e}")
    return seconds


def captum(module: nn.Module, normalized: Tensor, target: int, size: int, stride: int, at_once: int) -> Tensor:
    """Captum's attribution for each pixel, `(H, W)`."""
    window, strides = (3, size, size), (3, stride, stride)
    attribution = Occlusion(module).attribute(
        normalized, window, strides, baselines=0, target=target, perturbations_per_eval=at_once
    )
    return attribution[0, 0]


def _best_setting(module: nn.Module, normalized: Tensor, target: int, clock: Callable[[], float]) -> int:
    """The fastest `perturbations_per_eval`, measured on 16 positions."""
    side = normalized.shape[-1] // 4
    contenders = {n: lambda n=n: captum(module, normalized, target, side, side, n) for n in SETTINGS}
    seconds = interleaved(contenders, rounds=2, warm_up=1, clock=clock)
    return min(seconds, key=seconds.get)


@torch.inference_mode()
def _batches(net: Network, normalized: Tensor, count: int) -> None:
    for first in range(0, count, 8):
        net.module(normalized.repeat(min(8, count - first), 1, 1, 1).contiguous(memory_format=torch.channels_last))


if __name__ == "__main__":
    main()
