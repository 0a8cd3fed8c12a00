"""Gradient ascent: milliseconds per step compared with torch-lucent, and the cost of being watched.

    python -m benchmarks.ascent [--networks squeezenet1_0 vgg16] [--steps 10] [--rounds 5] [--threads 2]
                                [--clock process]

Both libraries maximise the same channel of the same network with Adam, at 224 px, in a spectrum of decorrelated
colours, and the network sees the image jittered, scaled, turned and jittered again. They differ in this: torch-lucent
transforms the image four times, by whole pixels, factors and degrees taken from lists, and resizes it back to 224 px;
vizlib combines all transformations, takes any number from the same ranges, resamples the image once, and mirrors what
lies outside it. torch-lucent runs on torchvision's network as it comes, and once more on vizlib's, which is frozen and
channels last, because that makes torch-lucent faster as well. The warm-up of vizlib's first 16 steps is off, because
torch-lucent has none. Weights are random, which does not affect the time.

"Watched" means `live.run` in a Jupyter kernel: a worker thread, a JPEG and an update of the page four times a second,
and a PNG at the end; no browser draws what the kernel sends. "Bare" is the same loop in the same kernel with nothing
shown.

torch-lucent 0.1.8 is not one of the packages that the tests need: pip install torch-lucent==0.1.8
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median

import nbformat
import torch
import torchvision
from nbclient import NotebookClient
from torch import nn

from benchmarks.timing import interleaved, report
from vizlib import compute, models
from vizlib.models import Network
from vizlib.optimize import objectives
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank
from vizlib.widgets import live

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
SIDE, CHANNEL = 224, 3
LAYERS = {  # a middle and a late layer: torch-lucent's name for it, and ours
    "squeezenet1_0": {"features_7": "fire5", "features_12": "fire9"},
    "vgg16": {"features_15": "relu3_3", "features_29": "relu5_3"},
}
BARE, WATCHED = "bare loop", "watched"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=LAYERS, default=list(LAYERS))
    parser.add_argument("--steps", type=int, default=10, help="steps per turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="process")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"bfloat16 is {'' if compute.bf16_is_faster() else 'not '}faster than float32 on this processor")
    for name in options.networks:
        net = models.load(name, "cpu", "untrained")
        for theirs, layer in LAYERS[name].items():
            compare(net, name, theirs, layer, options.steps, options.rounds, options.clock)
    being_watched(options.networks[0], 20 * options.steps, options.rounds, options.threads, options.clock)


# --- against torch-lucent -------------------------------------------------------------------------------------------


def compare(net: Network, name: str, theirs: str, layer: str, steps: int, rounds: int, clock: str) -> dict[str, float]:
    """The seconds per step of each contender, which are also printed."""
    contenders = {
        "torch-lucent on torchvision's network": lucent(torchvision.models.get_model(name).eval(), theirs, steps),
        "torch-lucent on vizlib's network": lucent(net.module, theirs, steps),
        "vizlib, float32": partial(ours, net, layer, steps),
        "vizlib, bfloat16": partial(ours, net, layer, steps, bf16=True),
    }
    seconds = {label: t / steps for label, t in interleaved(contenders, rounds, 1, CLOCKS[clock]).items()}
    threads = f"{torch.get_num_threads()} threads, {clock} time, median of {rounds}"
    report(f"{net.name}, {layer}: milliseconds per step, {threads}", seconds, next(iter(seconds)))
    return seconds


def ours(net: Network, layer: str, steps: int, bf16: bool = False) -> None:
    """Run vizlib's gradient ascent to the end."""
    knobs = AscentKnobs(steps, jitter=12, scale=0.1, rotate=10, warm_up=0, bf16=bf16)
    for _ in ascend(net, blank(net, side=SIDE, fourier=True), objectives.channel(layer, CHANNEL), knobs):
        pass


def lucent(module: nn.Module, layer: str, steps: int) -> Callable[[], None]:
    """A function that runs torch-lucent once, ready to be timed.

    Raises:
        SystemExit: torch-lucent cannot be imported.
    """
    try:
        optvis = {part: import_module(f"lucent.optvis.{part}") for part in ("param", "render", "transform")}
    except ImportError as error:
        raise SystemExit(
            f"torch-lucent cannot be imported ({error}). It is only needed here: pip install torch-lucent==0.1.8"
        ) from error
    move, factors, degrees = optvis["transform"], [0.9 + i / 50 for i in range(11)], list(range(-10, 11))
    moves = [move.jitter(8), move.random_scale(factors), move.random_rotate(degrees), move.jitter(4)]

    def run() -> None:
        optvis["render"].render_vis(
            module,
            f"{layer}:{CHANNEL}",
            lambda: optvis["param"].image(SIDE),
            transforms=moves,
            fixed_image_size=SIDE,
            thresholds=(steps,),
            progress=False,
            show_image=False,
        )
        for part in module.modules():
            part._forward_hooks.clear()  # render_vis leaves a hook on every layer, which would slow down the next run

    return run


# --- the cost of being watched --------------------------------------------------------------------------------------


def being_watched(name: str, steps: int, rounds: int, threads: int, clock: str) -> dict[str, float]:
    """The seconds per step, bare and watched, measured in a Jupyter kernel of their own and also printed."""
    call = f"bare_and_watched({name!r}, {steps}, {rounds}, {threads}, {clock!r})"
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(f"from benchmarks.ascent import bare_and_watched\nawait {call}")]
    environment = os.environ | {"VIZLIB_LIVE": "1"}
    folder = Path(__file__).parents[1]
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": folder}}).execute(env=environment)
    printed = "".join(output.text for output in notebook.cells[0].outputs if output.output_type == "stream")
    seconds = json.loads(printed.splitlines()[-1])
    title = f"{name}: milliseconds per step, {steps} steps, {threads} threads, {clock} time, median of {rounds}"
    report(title, seconds, BARE)
    return seconds


async def bare_and_watched(name: str, steps: int, rounds: int, threads: int, clock: str) -> None:
    """Inside the kernel: take turns, and print the seconds per step as JSON."""
    torch.set_num_threads(threads)
    net = models.load(name, "cpu", "trained" if name in models.zoo.BUNDLED else "untrained")
    knobs = AscentKnobs(steps, jitter=12, scale=0.1, rotate=10)
    layer = list(net.layers)[len(net.layers) // 2]

    def start():
        return ascend(net, blank(net, fourier=True), objectives.channel(layer, CHANNEL), knobs)

    async def bare() -> None:
        await asyncio.to_thread(lambda: sum(1 for _ in start()))

    async def watched() -> None:
        await live.run(start, knobs, "a benchmark")

    taken: dict[str, list[float]] = {BARE: [], WATCHED: []}
    for turn in range(1 + rounds):
        for label, run in ((BARE, bare), (WATCHED, watched)):
            begun = CLOCKS[clock]()
            await run()
            if turn:
                taken[label].append((CLOCKS[clock]() - begun) / steps)
    print(json.dumps({label: median(times) for label, times in taken.items()}))


if __name__ == "__main__":
    main()
